"""Medians and their 95 % intervals. Pure functions of samples; no assumption about the distribution of times."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np


def median_interval(samples: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Return (median, low, high): the interval between two order statistics that holds the true median with at least
    `confidence`, by the binomial distribution. With too few samples for that, it is the whole range."""
    ordered = sorted(samples)
    n = len(ordered)
    if not n:
        raise ValueError("no samples")
    tail, k = (1 - confidence) / 2, 0
    cumulative = 0.5**n
    while cumulative <= tail and k < n // 2:
        k += 1
        cumulative += math.comb(n, k) * 0.5**n
    low = max(k - 1, 0)
    return statistics.median(ordered), ordered[low], ordered[n - 1 - low]


def ratio_interval(ratios: Sequence[float], seed: int = 0, draws: int = 2000) -> tuple[float, float, float]:
    """Return (median, low, high) of paired ratios, the interval by the percentile bootstrap over rounds."""
    values = np.asarray(ratios, dtype=np.float64)
    if not values.size:
        raise ValueError("no rounds")
    picks = np.random.default_rng(seed).integers(0, values.size, (draws, values.size))
    medians = np.median(values[picks], axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(np.median(values)), float(low), float(high)


def halves_agree(samples: Sequence[float], within: float) -> bool:
    """Whether the medians of the first and the second half differ by at most `within`, relative to the smaller."""
    if len(samples) < 8:
        return True
    middle = len(samples) // 2
    first, second = statistics.median(samples[:middle]), statistics.median(samples[middle:])
    return abs(first - second) <= within * min(first, second)
