"""One budget for everything, counted from the command's start: seeds, search, and the proof of the finalists."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]

FRESH_PROCESS_S = 2.5  # starting an interpreter with torch in it
CERTIFY_CHECKS = 8.0  # what a certificate takes, in first checks of the search, which start a process too
LEAST_SHARE, MOST_SHARE = 0.15, 0.45
FINALISTS = 3
BASELINE_TIMEOUT_S, TIMEOUT_S = 90.0, 20.0


class Budget:
    """`total_s` seconds from `started_at` (of `clock`, monotonic), of which `already_s` were spent by earlier
    processes of the same run."""

    def __init__(
        self, total_s: float, *, started_at: float | None = None, already_s: float = 0.0, clock: Clock = time.monotonic
    ):
        self.total_s = total_s
        self.already_s = already_s
        self._clock = clock
        self._started_at = clock() if started_at is None else started_at

    @property
    def spent_s(self) -> float:
        return self.already_s + self._clock() - self._started_at

    @property
    def left_s(self) -> float:
        return max(0.0, self.total_s - self.spent_s)

    def paired_s(self, baseline_cost_s: float, contender_cost_s: float) -> float:
        """Return the seconds that timing the best baseline against a contender takes, each started afresh, from what
        they cost to evaluate."""
        return 2 * FRESH_PROCESS_S + baseline_cost_s + contender_cost_s + self.pairing_s()

    def certify_s(self, check_s: float) -> float:
        """Return the seconds that a certificate takes, from the first check: it judges every family of inputs in a
        fresh process. Its truths were made ahead, and its time is the paired one."""
        return FRESH_PROCESS_S + CERTIFY_CHECKS * check_s

    def shared(self, finals_s: float) -> float:
        """Return the seconds to keep for finals that take `finals_s`: never so many that nothing is left to search."""
        return min(max(finals_s, LEAST_SHARE * self.total_s), MOST_SHARE * self.total_s)

    @property
    def least_finals_s(self) -> float:
        """The seconds that even the seeds leave for the finals."""
        return LEAST_SHARE * self.total_s

    def pairing_s(self) -> float:
        """How long finalists are timed against each other, in seconds."""
        return min(8.0, 0.08 * self.total_s)

    def timeout_s(self, keep_s: float, *, compiles: bool) -> tuple[float, bool]:
        """Return the timeout for one evaluation that leaves `keep_s` seconds over, and whether that is a full one: a
        candidate that is cut short because our time is up has not failed. What compiles itself is given longer."""
        room_s = self.left_s - keep_s
        standard_s = BASELINE_TIMEOUT_S if compiles else min(TIMEOUT_S, max(5.0, 0.2 * self.total_s))
        return max(1.0, min(standard_s, room_s)), room_s >= standard_s
