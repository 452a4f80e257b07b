"""What a measurement on a GPU notes beside its samples: clocks, kernels, and the host's part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..candidate import CandidateError, Status
from ..child.outcome import TimedBlock
from ..child.session import Session
from ..device.clock_state import ClockState
from .nouns import Clocks

_BUSY_TOLERANCE = 0.15  # CUPTI and events bracket a kernel differently, by up to a microsecond each
_MOST_NAMES = 16
_LEAST_WORK = 0.5  # of the kernels: an honest candidate starts as many, one that keeps results hardly any


class GpuNotes:
    """Collects notes block by block; on a CPU it stays empty."""

    def __init__(self, session: Session):
        self.session = session
        self._state = None if session.child.gpu is None else ClockState(session.child.gpu)
        self._samples: list[Any] = []
        self._host_s: list[float] = []
        self._kernel_s: float | None = None
        self._names: tuple[str, ...] = ()
        self._per_call = 0.0

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
        self._per_call = len(found) / calls
        if self._kernel_s > (1 + _BUSY_TOLERANCE) * median_s + 1e-6:
            raise CandidateError(
                Status.TIMING_INCONSISTENT,
                f"kernels ran for {self._kernel_s * 1e6:.1f} us a call where {median_s * 1e6:.1f} us were measured",
            )

    def refuse_kept_results(self, calls: int) -> None:
        """Refuse a candidate that starts fewer kernels in the last block, of `calls` on inputs that soon return, than
        in the one whose kernels were looked at."""
        if self._state is None:
            return
        started = len(self.session.kernels()) / calls
        if 0 < started < _LEAST_WORK * self._per_call:
            raise CandidateError(
                Status.REWARD_HACK,
                f"on inputs that return it starts {started:.2g} kernels a call, else {self._per_call:.2g}: it keeps "
                "results instead of computing them",
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
