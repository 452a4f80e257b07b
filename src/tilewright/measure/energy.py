"""Power of a GPU over a stretch of time, from a counter of energy that moves only now and then.

A difference between any two readings is wrong by up to one step of the counter at each end. So it is read again and
again, and only readings at which it had just moved count: between two of these the energy and the time are both known.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_PAUSE_S = 0.005  # a reading takes about as long
_FEWEST = 3  # moves of the counter


class EnergyMeter:
    """Reads joules by `read` in a thread, as a context; for a `read` that gives None it does nothing."""

    def __init__(self, read: Callable[[], float | None]) -> None:
        self._read = read
        self._moves: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> EnergyMeter:
        self._begun = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        last_j = self._read()
        while last_j is not None and not self._over.wait(_PAUSE_S):
            now_j = self._read()
            if now_j is not None and now_j != last_j:
                self._moves.append((time.perf_counter() - self._begun, now_j))
            last_j = now_j

    def watts(self, after_s: float, before_s: float) -> float | None:
        """The mean power between these seconds since it was entered; None where the counter moved too seldom."""
        return watts_of([(at_s, joules) for at_s, joules in self._moves if after_s <= at_s <= before_s])


def watts_of(moves: list[tuple[float, float]]) -> float | None:
    """The mean power over `moves` of a counter: seconds, and the joules that it came to."""
    if len(moves) < _FEWEST:
        return None
    (first_s, first_j), (last_s, last_j) = moves[0], moves[-1]
    return (last_j - first_j) / (last_s - first_s)
