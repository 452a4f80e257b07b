"""Run something under torch.profiler, warm, and keep one run of it: the one of median length, in which each call of an
operator takes the median of what it took in all runs, where all runs made the same calls.

Every run ends with a wait for the GPU, so that no work of one run queues behind another's. The first profiled run is
thrown away: starting the profiler makes it slow.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .call_cost import Counted, costs_of
from .calls import RUN, Run, covered_ns, runs_of
from .events import read_trace
from .modules import ModuleWatch, Site
from .problem_files import Written, module_problem

Say = Callable[[str], None]


@dataclass(frozen=True)
class Recording:
    """What was seen of one run. `sites` are the modules, `of_call` gives the site of each call of a module; `costs` are
    those of the run's operators, counted in the process that knows them; `walls_s` are the lengths of all profiled
    runs, `plain_s` those of the runs before, without the profiler; `problems` holds, for the sites that were asked for,
    the module as a problem, or why it cannot be one. `outside_s` is the time in which the host was in no operator."""

    run: Run
    sites: tuple[Site, ...]
    of_call: tuple[int, ...]
    costs: tuple[Counted, ...]
    walls_s: tuple[float, ...]
    plain_s: tuple[float, ...] = ()
    outside_s: float = 0.0
    threads: int = 1
    cuda: int | None = None
    problems: dict[int, Written] = field(default_factory=dict)


def record(
    call: Callable[[], Any], *, warmup: int, runs: int, problems: bool = False, trace: Path | None = None, say: Say
) -> Recording:
    """Call `call` `warmup` times, then `runs` times plain, then `runs` times under the profiler. `trace` is where the
    trace of torch.profiler is kept. Raises what `call` raises."""
    say(f"{warmup} calls to warm up")
    for _ in range(warmup):
        _wait(call())
    say(f"{runs} calls without the profiler")
    plain = [_timed(call) for _ in range(runs)]
    with ModuleWatch(keep=problems) as watch:
        say("starting the profiler")
        with _profiled():
            _wait(call())
        say(f"{runs} calls under the profiler")
        with _profiled() as seen:
            for _ in range(runs):
                _annotated(call)
    return _kept(seen, watch, plain, trace)


def record_once(call: Callable[[], Any], *, problems: bool = False, trace: Path | None = None, say: Say) -> Recording:
    """Run `call` once under the profiler, cold as it is."""
    say("one run under the profiler")
    with ModuleWatch(keep=problems) as watch, _profiled() as seen:
        _annotated(call)
    return _kept(seen, watch, [], trace)


@contextlib.contextmanager
def _profiled() -> Iterator[Any]:
    """Run under torch.profiler, without the lines that Kineto writes to stderr when it starts and stops."""
    profiler = _profiler()
    with _stderr_without(b"USDT:"):
        profiler.start()
    try:
        yield profiler
    finally:
        with _stderr_without(b"USDT:"):
            profiler.stop()


@contextlib.contextmanager
def _stderr_without(prefix: bytes) -> Iterator[None]:
    """Hold back what is written to stderr, by C code too, and pass on the lines that do not begin with `prefix`."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not line.startswith(prefix):
                    os.write(2, line)


def _profiler() -> Any:
    import torch
    from torch._C._profiler import _ExperimentalConfig
    from torch.profiler import ProfilerActivity, profile

    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
    names = _ExperimentalConfig(capture_overload_names=True)  # "aten::add.Tensor", which the arguments are read by
    return profile(activities=kinds, record_shapes=True, experimental_config=names, acc_events=True)


def _annotated(call: Callable[[], Any]) -> None:
    import torch

    with torch.profiler.record_function(RUN):
        _wait(call())


def _timed(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    _wait(call())
    return time.perf_counter() - begun


def _wait(result: Any) -> None:
    """Wait for the GPU, where this process uses one; `result` is let go only then."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _kept(seen: Any, watch: ModuleWatch, plain: list[float], trace: Path | None) -> Recording:
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = trace or Path(folder, "trace.json")
        seen.export_chrome_trace(str(path))
        events = read_trace(path)
    runs = runs_of(events)
    middle = statistics.median_low(r.wall_ns for r in runs)
    kept = next(r for r in runs if r.wall_ns == middle)
    run = typical(runs, kept)
    return Recording(
        run=run,
        sites=tuple(watch.sites),
        of_call=tuple(watch.of_call),
        costs=costs_of(run.calls),
        walls_s=tuple(r.wall_ns / 1e9 for r in runs),
        plain_s=tuple(plain),
        outside_s=(kept.wall_ns - covered_ns((c.begin_ns, c.end_ns) for c in kept.calls)) / 1e9,
        threads=torch.get_num_threads(),
        cuda=next((e.device for e in events if e.kind == "device"), None),
        problems={n: module_problem(watch.sites[n], *found) for n, found in watch.seen.items()},
    )


def typical(runs: Sequence[Run], middle: Run) -> Run:
    """Return `middle` with each call as it was in the run where its time was the median, so that what disturbed one run
    in one place is not shown; as it is where the runs made different calls."""
    made = [[(c.name, c.arguments) for c in run.calls] for run in runs]
    if any(other != made[0] for other in made):
        return middle
    calls = []
    for at, call in enumerate(middle.calls):
        alike = sorted((run.calls[at] for run in runs), key=lambda c: (c.device_ns, c.host_ns))
        calls.append(replace(alike[(len(alike) - 1) // 2], module=call.module))
    return replace(middle, calls=tuple(calls))
