"""How far the ways to time a GPU kernel lie apart: a self-test with kernels of known length, from 2 us to 10 ms.

    activity   CUPTI's record of the kernel itself (through Kineto, torch's profiler): what the others are held to
    graph      a CUDA graph of many launches between two events, per launch: what the clock of this package uses
    burst      many launches between two events
    events     two events around each launch
    wall       the host's clock over one launch and the wait for it

The kernels spin for a number of clock cycles and touch no memory, so that nothing but the method differs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from ..device.replay import capture

METHODS = ("activity", "graph", "burst", "events", "wall")
LENGTHS_S = (2e-6, 5e-6, 20e-6, 100e-6, 1e-3, 10e-3)
_SAMPLES = 31
_GROUP_S = 2e-3  # of kernels in one graph, or in one burst
_MOST_CALLS = 200
# A method is trusted where it is within half a microsecond, or two percent, of the kernel's own record.
TRUSTED_S, TRUSTED_SHARE = 0.5e-6, 0.02

Call = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """What one method says of a call: the median in seconds, and the spread of the middle half relative to it."""

    method: str
    median_s: float
    noise: float


def timings(call: Call, methods: Sequence[str] = METHODS) -> dict[str, Timing]:
    """Time `call`, which starts one kernel on the current GPU's current stream, by each of `methods`."""
    ways = {"activity": _activity, "graph": _graph, "burst": _burst, "events": _events, "wall": _wall}
    call()
    torch.cuda.synchronize()
    about_s = max(1e-6, min(_wall(call, 5)))
    calls = max(1, min(_MOST_CALLS, round(_GROUP_S / about_s)))
    found = {}
    for method in methods:
        samples = ways[method](call, _SAMPLES if method in ("activity", "events", "wall") else calls)
        low, middle, high = statistics.quantiles(samples, n=4)
        found[method] = Timing(method, middle, (high - low) / middle)
    return found


def spinning(seconds: float) -> Call:
    """A call that keeps the GPU busy for about `seconds`, by counting its clock; found by trial."""
    cycles = max(1, int(seconds * 1.5e9))
    for _ in range(3):
        seen_s = statistics.median(_graph(partial(torch.cuda._sleep, cycles), 20))
        cycles = max(1, int(cycles * seconds / seen_s))
    return partial(torch.cuda._sleep, cycles)


def self_test(lengths_s: Sequence[float] = LENGTHS_S) -> dict[float, dict[str, Timing]]:
    """`timings` of kernels of every length, on the current GPU."""
    return {seconds: timings(spinning(seconds)) for seconds in lengths_s}


def is_trusted(found: dict[str, Timing], method: str) -> bool:
    """Whether `method` agrees with the record of the kernel itself."""
    kernel_s, said_s = found["activity"].median_s, found[method].median_s
    return abs(said_s - kernel_s) <= max(TRUSTED_S, TRUSTED_SHARE * kernel_s)


def _activity(call: Call, calls: int) -> list[float]:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as seen:
        for _ in range(calls):
            call()
        torch.cuda.synchronize()
    found = [e for e in seen.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    return [e.time_range.elapsed_us() * 1e-6 for e in found]


def _graph(call: Call, calls: int) -> list[float]:
    replay = capture([call] * calls, 0.0, torch.cuda.Stream())
    return [replay.seconds_per_call(1).call_s for _ in range(_SAMPLES)]


def _burst(call: Call, calls: int) -> list[float]:
    samples = []
    for _ in range(_SAMPLES):
        first, last = _event(), _event()
        first.record()
        for _ in range(calls):
            call()
        last.record()
        last.synchronize()
        samples.append(first.elapsed_time(last) * 1e-3 / calls)
    return samples


def _events(call: Call, calls: int) -> list[float]:
    pairs = []
    for _ in range(calls):
        first, last = _event(), _event()
        first.record()
        call()
        last.record()
        pairs.append((first, last))
    torch.cuda.synchronize()
    return [first.elapsed_time(last) * 1e-3 for first, last in pairs]


def _wall(call: Call, calls: int) -> list[float]:
    samples = []
    for _ in range(calls):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        call()
        torch.cuda.synchronize()
        samples.append(time.perf_counter() - begun)
    return samples


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)
