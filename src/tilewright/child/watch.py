"""The parent's clock over a timed block. Standard library only."""

from __future__ import annotations

import time


class Watch:
    """The parent's clock over a block: what passed since it was made, less what this thread itself waited for a
    processor in that time."""

    def __init__(self) -> None:
        self._queued_s = _queued_s()
        self.begun_ns = time.perf_counter_ns()

    def spent_s(self) -> float:
        return (time.perf_counter_ns() - self.begun_ns) / 1e9 - (_queued_s() - self._queued_s)


def _queued_s() -> float:
    """Seconds that this thread was ready to run and had no processor, since it began; 0 where the kernel keeps no such
    count. On a busy machine the parent learns late that a block has ended, and that is not the child's doing."""
    try:
        with open("/proc/thread-self/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
