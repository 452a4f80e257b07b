"""A block of calls on a GPU, captured once in a CUDA graph and replayed: what is timed is kernels, not Python.

Every call of the block keeps its own outputs, so that consecutive calls write to different memory; but where data is to
stay in a cache, the second next call writes where this one did. Where the candidate cannot be captured (it waits for
the GPU, or decides by what it reads back), the block is a burst of plain calls between two waits for the whole device,
and its time holds whatever the host needs. Any block can be run as bursts: that is what a program without graphs sees.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

_HOST_CALLS = 16  # far fewer launches than the queue of a stream takes
_MARKS = 256  # events that are made ahead of the clock


class Replay:
    """`run(times)` runs the block so often and waits; `samples_s()` is then the mean seconds per call of each run.
    `last` is the result of the block's last call. `keep` says whether the outputs of all calls are kept.

    `mode` is "graph" or "burst", `why` says what kept the calls out of a graph, `host_s` is what one call costs the
    host until the work is queued.
    """

    def __init__(self, function: Callable[..., Any], calls: Sequence[Sequence[Any]], warm: int, keep: bool = True):
        self.function, self.calls, self.keep = function, calls, keep
        self.last: Any = None
        self.mode, self.why = "graph", ""
        self.graph: torch.cuda.CUDAGraph | None = None
        self._results: list[Any] = []
        self._marks: list[torch.cuda.Event] = []
        self._bursts_s: list[float] = []
        self._times, self._in_bursts = 0, False
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):  # compiles, tunes and fills caches on the stream that is captured
            for i in range(max(1, warm)):
                self.last = function(*calls[i % len(calls)])
        torch.cuda.synchronize()
        self.host_s = self._host_s()
        self._capture(stream)

    def _host_s(self) -> float:
        calls = self.calls[:_HOST_CALLS]
        best_s = float("inf")
        for _ in range(3):
            begun = time.perf_counter()
            for args in calls:
                self.last = self.function(*args)
            best_s = min(best_s, (time.perf_counter() - begun) / len(calls))
            torch.cuda.synchronize()
        return best_s

    def _capture(self, stream: torch.cuda.Stream) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=stream):
                self._results = self._call_all()
            graph.replay()
            torch.cuda.synchronize()
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            self.mode, self.why = "burst", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            self._results = []
            del graph
            gc.collect()
            torch.cuda.synchronize()  # raises where the GPU itself is at fault
            self._burst()
            return
        self.graph, self.last = graph, self._results[-1]
        self._mark(_MARKS)

    def _mark(self, count: int) -> None:
        """Have `count` events, all recorded once, which is when the driver makes them."""
        for _ in range(count - len(self._marks)):
            mark = torch.cuda.Event(enable_timing=True)
            mark.record()
            self._marks.append(mark)
        torch.cuda.synchronize()

    def _call_all(self) -> list[Any]:
        """Call once on every input; the results of all calls, or of the last."""
        if self.keep:
            return [self.function(*args) for args in self.calls]
        for args in self.calls:
            last = self.function(*args)
        return [last]

    def _burst(self) -> float:
        torch.cuda.synchronize()
        begun = time.perf_counter()
        for args in self.calls:
            self.last = self.function(*args)
        torch.cuda.synchronize()
        return (time.perf_counter() - begun) / len(self.calls)

    def get_ready(self, times: int, eager: bool) -> None:
        """Have what so many runs need; before bursts one is run ahead, for its memory."""
        if eager:
            self._burst()
        elif self.graph is not None:
            self._mark(times + 1)

    def run(self, times: int, eager: bool = False) -> None:
        self._times, self._in_bursts = times, eager or self.graph is None
        if self._in_bursts or self.graph is None:
            self._bursts_s = [self._burst() for _ in range(times)]
            return
        if times + 1 > len(self._marks):
            self._mark(times + 1)
        self._marks[0].record()
        for mark in self._marks[1 : times + 1]:
            self.graph.replay()
            mark.record()
        torch.cuda.synchronize()

    def samples_s(self) -> list[float]:
        """Of the last `run`; asking the driver for each takes microseconds, which no block should hold."""
        if self._in_bursts:
            return self._bursts_s
        marks = self._marks[: self._times + 1]
        return [a.elapsed_time(b) / 1e3 / len(self.calls) for a, b in zip(marks, marks[1:], strict=False)]

    def kernels(self) -> list[list[Any]]:
        """Run the block once under CUPTI (torch's profiler): [name, start in ns, duration in ns] of all its device
        work, on every stream."""
        from torch.profiler import ProfilerActivity, profile

        with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as seen:
            self.run(1)
        found = [e for e in seen.events() if e.device_type == torch.autograd.DeviceType.CUDA]
        return [[e.name[:200], int(e.time_range.start * 1e3), int(e.time_range.elapsed_us() * 1e3)] for e in found]
