"""How fast the best of several ways is on a CPU, and by how much two takes of it differ."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

Call = Callable[[], object]

_GROUP = 3


@dataclass(frozen=True)
class Rate:
    """An amount per second, and the relative difference between the two takes that it is the better of."""

    per_s: float
    spread: float


def best_median_s(op: Call, budget_s: float) -> float:
    """Return seconds per call of `op`: the best of the medians of groups of calls, over about `budget_s`."""
    op()
    started = time.perf_counter()
    op()
    once_s = time.perf_counter() - started
    if once_s > budget_s:  # so slow that a clock tick is nothing beside it
        started = time.perf_counter()
        op()
        return min(once_s, time.perf_counter() - started)
    inner = max(1, min(1000, int(20e-6 / max(once_s, 1e-9))))  # a sample lasts 20 us or more
    stop, best_s = time.perf_counter() + budget_s, once_s
    while True:
        samples = []
        for _ in range(_GROUP):
            started = time.perf_counter()
            for _ in range(inner):
                op()
            samples.append((time.perf_counter() - started) / inner)
        best_s = min(best_s, statistics.median(samples))
        if time.perf_counter() > stop:
            return best_s


def best_rate(amount: float, ways: Sequence[Call], budget_s: float, teams: Sequence[int] = (), takes: int = 2) -> Rate:
    """The best of `amount` per second over the ways, each with every number of threads in `teams` (by default with one
    and with all) for `budget_s`, in `takes` that are apart in time."""
    import torch

    counts = sorted(set(teams or (1, torch.get_num_threads())))
    bests = []
    for _ in range(takes):
        best_s = float("inf")
        for count in counts:
            with threads(count):
                best_s = min([best_s, *(best_median_s(op, budget_s / takes) for op in ways)])
        bests.append(best_s)
    return Rate(amount / min(bests), max(bests) / min(bests) - 1)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run with `count` torch threads, without gradients, and give the caller's settings back."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(before)
