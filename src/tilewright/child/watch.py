"""The parent's clock over a timed block, and who waited for a processor meanwhile. Standard library only."""

from __future__ import annotations

import time

_SPARE_S = 0.0005  # of processor time, for the messages
_ONE_WAIT_S = 0.01  # a few time slices: later waits fall into what is claimed


class Watch:
    """The parent's clock over a block: what passed since it was made, less what this thread itself waited for a
    processor in that time."""

    def __init__(self) -> None:
        self._queued_s = _queued_s("thread-self")
        self.begun_ns = time.perf_counter_ns()

    def spent_s(self) -> float:
        return (time.perf_counter_ns() - self.begun_ns) / 1e9 - (_queued_s("thread-self") - self._queued_s)


class Excuse:
    """What the kernel says of process `pid` from when this was made until `stop`. On a busy machine a child that is
    told to go gets its processor milliseconds later. That is no lie, if it did not work in time that it does not claim.
    """

    def __init__(self, pid: int | None):
        self._pid = pid
        self._begun = self._now()
        self._ended: tuple[float, float] | None = None

    def stop(self) -> None:
        self._ended = self._now()

    def of(self, claimed_s: float, threads: int) -> float:
        """Seconds that its main thread waited for a processor before it began, as far as can be told; 0 if the process
        worked for longer than its `threads` could in `claimed_s`, or has processes of its own that could have."""
        if self._ended is None or self._begun is None or children(self._pid or 0):
            return 0.0
        worked_s, queued_s = (b - a for a, b in zip(self._begun, self._ended, strict=True))
        return min(queued_s, _ONE_WAIT_S) if worked_s <= 1.02 * threads * claimed_s + _SPARE_S else 0.0

    def _now(self) -> tuple[float, float] | None:
        if self._pid is None:
            return None
        try:  # the number of the clock of another process: see clock_getcpuclockid
            return time.clock_gettime((~self._pid << 3) | 2), _queued_s(str(self._pid))
        except OSError:
            return None


def children(pid: int) -> list[int]:
    """Those that the main thread of `pid` has started; none where the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(n) for n in file.read().split()]
    except (OSError, ValueError):
        return []


def _queued_s(whose: str) -> float:
    """Seconds that a main thread, or "thread-self", was ready to run and had no processor, since it began; 0 where the
    kernel keeps no such count. On a busy machine the parent learns late that a block has ended."""
    try:
        with open(f"/proc/{whose}/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
