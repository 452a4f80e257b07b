"""What a measurement on a GPU notes beside its samples: clocks, kernels, the host's part, and the time under load."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from typing import Any

from ..candidate import CandidateError, Status
from ..child.outcome import TimedBlock
from ..child.session import Session
from ..device.clock_state import ClockState
from ..problem import Inputs
from .nouns import Clocks

_SUSTAINED_S = 1.2  # twice the time after which the clock has settled under the power limit
_LOAD_BLOCK_S = 0.1
_BUSY_TOLERANCE = 0.15  # CUPTI and events bracket a kernel differently, by up to a microsecond each
_MOST_NAMES = 16


class GpuNotes:
    """Collects notes block by block; on a CPU it stays empty."""

    def __init__(self, session: Session):
        self.session = session
        self._state = None if session.child.gpu is None else ClockState(session.child.gpu)
        self._samples: list[Any] = []
        self._host_s: list[float] = []
        self._kernel_s: float | None = None
        self._names: tuple[str, ...] = ()

    def add(self, block: TimedBlock) -> None:
        if self._state is None:
            return
        self._host_s.append(block.host_s)
        sample = self._state.sample()
        if sample is not None and sample.sm_clock_hz is not None:
            self._samples.append(sample)

    def look_at_kernels(self, calls: int, median_s: float) -> None:
        """Note which kernels the last block of `calls` runs and for how long they keep the GPU busy. More busy time
        than was measured means that work was hidden from the clock."""
        if self._state is None:
            return
        found = self.session.kernels()
        if not found:
            return
        self._kernel_s = busy_seconds((start, start + seconds) for _, start, seconds in found) / calls
        self._names = tuple(dict.fromkeys(name for name, _, _ in found))[:_MOST_NAMES]
        if self._kernel_s > (1 + _BUSY_TOLERANCE) * median_s + 1e-6:
            raise CandidateError(
                Status.TIMING_INCONSISTENT,
                f"kernels ran for {self._kernel_s * 1e6:.1f} us a call where {median_s * 1e6:.1f} us were measured",
            )

    def fields(self) -> dict[str, Any]:
        if self._state is None:
            return {}
        hosts = [s for s in self._host_s if s > 0]
        return {
            "host_s": min(hosts) if hosts else None,
            "kernel_s": self._kernel_s,
            "kernels": self._names,
            "clocks": clocks_of(self._samples),
        }


def clocks_of(samples: Sequence[Any]) -> Clocks | None:
    if not samples:
        return None
    powers = [s.power_w for s in samples if s.power_w is not None]
    return Clocks(
        sm_low_hz=min(s.sm_clock_hz for s in samples),
        sm_high_hz=max(s.sm_clock_hz for s in samples),
        power_w=max(powers) if powers else None,
        throttle=tuple(sorted({reason for s in samples for reason in s.throttle} - {"idle"})),  # read between blocks
    )


def busy_seconds(intervals: Iterable[tuple[float, float]]) -> float:
    """The time that the union of `intervals` covers: kernels of several streams may overlap."""
    total, end = 0.0, float("-inf")
    for begin, stop in sorted(intervals):
        total += max(0.0, stop - max(begin, end))
        end = max(end, stop)
    return total


def sustained_seconds(session: Session, inputs: Sequence[Inputs], call_s: float) -> float | None:
    """The median time of a call under continuous load, after the clock has settled; None on a CPU."""
    if session.child.gpu is None:
        return None
    schedule = list(range(len(inputs))) * max(1, round(0.001 / (call_s * len(inputs))))
    replays = max(2, round(_LOAD_BLOCK_S / (call_s * len(schedule))))
    samples: list[float] = []
    deadline = time.perf_counter() + _SUSTAINED_S
    while time.perf_counter() < deadline:
        samples += session.time(inputs, schedule, warm=0, replays=replays).calls_s
    return statistics.median(samples[len(samples) // 2 :])
