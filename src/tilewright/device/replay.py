"""Seconds per call on a GPU, by replaying a CUDA graph of many calls between two events.

A graph takes the host out of the time. Each timed replay follows another one of the same graph, already queued, so
that its first event falls into a busy GPU: an event pair around work on an idle GPU adds some microseconds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from .clock_state import ClockSample, ClockState

Call = Callable[[], object]

_MOST_CALLS = 4096  # in one graph


@dataclass(frozen=True)
class Replay:
    """A graph of `calls` calls, the stream that it is replayed on, and what it was made from: a graph knows addresses
    and keeps no tensor alive."""

    graph: torch.cuda.CUDAGraph
    calls: int
    stream: torch.cuda.Stream
    made_from: tuple[Call, ...]

    def seconds_per_call(self, samples: int, pause_s: float = 0.0, clock: ClockState | None = None) -> Timed:
        """Return the median over `samples`, each after a pause in which the GPU cools; `clock` is read within each."""
        times: list[float] = []
        states: list[ClockSample] = []
        with torch.cuda.stream(self.stream):
            for _ in range(samples):
                if pause_s:
                    time.sleep(pause_s)
                self.graph.replay()
                first = _mark()
                self.graph.replay()
                last = _mark()
                if clock is not None and (state := clock.sample()):
                    states.append(state)
                last.synchronize()
                times.append(first.elapsed_time(last) * 1e-3)
        middle_s = statistics.median(times)
        return Timed(middle_s / self.calls, tuple(states), (max(times) - min(times)) / middle_s)

    def sustained_per_call(self, duration_s: float, clock: ClockState | None = None) -> Timed:
        """Replay back to back for `duration_s` and return the median over the second half: by then the clock has gone
        where the power limit wants it. `clock` is read in that half."""
        marks: list[torch.cuda.Event] = []
        states: list[ClockSample] = []
        started = time.perf_counter()
        with torch.cuda.stream(self.stream):
            while time.perf_counter() - started < duration_s or len(marks) < 4:
                self.graph.replay()
                marks.append(_mark())
                if len(marks) < 4:
                    continue
                marks[-3].synchronize()  # two replays stay queued: the GPU never waits for the host
                if clock is not None and time.perf_counter() - started > duration_s / 2 and (state := clock.sample()):
                    states.append(state)
            marks[-1].synchronize()
        times = [a.elapsed_time(b) * 1e-3 for a, b in pairwise(marks)]
        return Timed(statistics.median(times[len(times) // 2 :]) / self.calls, tuple(states))


@dataclass(frozen=True)
class Timed:
    """Seconds of one call, the states of the clock that were seen meanwhile, and how far the samples lie apart,
    relative to their median."""

    call_s: float
    states: tuple[ClockSample, ...] = ()
    spread: float = 0.0

    def state(self) -> ClockSample | None:
        """One sample for all: the median clock, the last power and temperature, which lag, and every reason seen."""
        if not self.states:
            return None
        clocks = [s.sm_clock_hz for s in self.states if s.sm_clock_hz is not None]
        reasons = dict.fromkeys(word for s in self.states for word in s.throttle if word != "idle")
        return self.states[-1].with_(sm_clock_hz=statistics.median(clocks), throttle=tuple(reasons))


def capture(calls: Sequence[Call], at_least_s: float, stream: torch.cuda.Stream) -> Replay:
    """Return a graph that makes all `calls` in turn, as often as it takes to last `at_least_s`.

    Raises what the first call raises: RuntimeError where the GPU or PyTorch cannot do it.
    """
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        calls[0]()  # outside the graph: it compiles, loads and chooses
        stream.synchronize()
    once = _graph(calls, 1, stream)
    rounds = at_least_s / max(once.seconds_per_call(1).call_s * len(calls), 1e-9)
    rounds = max(1, min(int(rounds + 0.999), _MOST_CALLS // len(calls)))
    return once if rounds == 1 else _graph(calls, rounds, stream)


def _graph(calls: Sequence[Call], rounds: int, stream: torch.cuda.Stream) -> Replay:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.stream(stream):
        graph.capture_begin(capture_error_mode="thread_local")
        try:
            for _ in range(rounds):
                for call in calls:
                    call()
        finally:
            graph.capture_end()
    return Replay(graph, rounds * len(calls), stream, tuple(calls))


def _mark() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event
