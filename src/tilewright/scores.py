"""Scores of a time: fraction of a bound, speed-up, the SOL score, fast_p, and means. Pure; imports nothing of ours.

What failed has no time, which is `None` here. It stays in every denominator: it lowers `fast_p` and the mean score, and
a geometric mean, which cannot hold a zero, says of how many it is. No failure counts as a speed-up of 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["faster", "level", "slower", "unclear"]


def fraction_of_bound(time_s: float | None, bound_s: float | None) -> float | None:
    """Return bound_s / time_s, 1 at the bound and above 1 beyond it; None where either is missing."""
    return bound_s / time_s if time_s and bound_s else None


def speedup(time_s: float | None, baseline_s: float | None) -> float | None:
    """Return baseline_s / time_s; None where either is missing."""
    return baseline_s / time_s if time_s and baseline_s else None


@dataclass(frozen=True)
class SolScore:
    """`published` is the score as its formula gives it, None where that divides by zero; `counted` is what goes into a
    mean, within 0 and 1; `why` explains the difference, and is empty where there is none."""

    published: float | None
    counted: float
    why: str = ""


def sol_score(time_s: float | None, baseline_s: float, sol_s: float) -> SolScore:
    """Return the SOL score S = 1 / (1 + (T_k - T_SOL) / (T_b - T_SOL)) of a kernel that takes `time_s`.

    S is 1/2 at the baseline and 1 at the bound, and goes to 0 as the kernel gets slower. Where the baseline is no
    slower than the bound, S is 1 for a kernel at the bound or faster and 0 for any other. The formula is clamped
    nowhere: below the bound S exceeds 1, at T_k = 2 T_SOL - T_b it divides by zero, and below that it is negative, so
    that the fastest kernel would have the lowest score. A time below the bound counts as 1 here.
    """
    if time_s is None:
        return SolScore(0.0, 0.0, "failed")
    if baseline_s <= sol_s:
        found = 1.0 if time_s <= sol_s else 0.0
        return SolScore(found, found, "the baseline is at the bound or faster: 1 at the bound, else 0")
    below = 1 + (time_s - sol_s) / (baseline_s - sol_s)
    published = 1 / below if below else None
    if time_s >= sol_s:
        return SolScore(published, 1 / below)
    said = "divides by zero" if published is None else f"gives {published:.3g}"
    return SolScore(published, 1.0, f"faster than the bound, where the formula {said}: counted as 1")


def fast_p(speedups: Sequence[float | None], p: float = 1.0) -> float | None:
    """Return the share of `speedups` above `p`, with those that failed (None) in the denominator; None without any."""
    return sum(s is not None and s > p for s in speedups) / len(speedups) if speedups else None


@dataclass(frozen=True)
class Mean:
    """A weighted mean over `known` of `total` values; `weight` is the share of the weight that the known ones have."""

    value: float | None
    known: int
    total: int
    weight: float


def geometric_mean(values: Sequence[float | None], weights: Sequence[float] = ()) -> Mean:
    """Return the geometric mean of positive `values`, weighted by call counts; None among them is a failure, which is
    counted in `total` and can be no factor of the mean."""
    given = [float(w) for w in weights] or [1.0] * len(values)
    if len(given) != len(values) or any(w < 0 for w in given):
        raise ValueError(f"{len(values)} values need as many weights of 0 or more, not {given}")
    known = [(v, w) for v, w in zip(values, given) if v is not None and w > 0]
    if any(v <= 0 for v, _ in known):
        raise ValueError("a geometric mean needs values above 0")
    total, weight = sum(given), sum(w for _, w in known)
    value = math.exp(sum(w * math.log(v) for v, w in known) / weight) if weight else None
    return Mean(value, sum(v is not None for v in values), len(values), weight / total if total else 0.0)


def mean_score(scores: Sequence[SolScore], weights: Sequence[float] = ()) -> float | None:
    """Return the weighted arithmetic mean of what the scores count for; what failed counts as 0. None without any."""
    given = [float(w) for w in weights] or [1.0] * len(scores)
    total = sum(given)
    return sum(s.counted * w for s, w in zip(scores, given, strict=True)) / total if total else None


def verdict_of(low: float, high: float, level: float) -> Verdict:
    """Say what an interval of time ratios, new over old, leaves open: "level" up to a ratio of `level`."""
    if high < 1:
        return "faster"
    if low > level:
        return "slower"
    return "level" if high <= level else "unclear"
