"""Medians and their 95 % intervals. Pure functions of samples; no assumption about the distribution of times."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

_UNEVEN = 1.2  # times the median: who squeezes the stamps of most calls gains no more


def median_interval(samples: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Return (median, low, high): the interval between two order statistics that holds the true median with at least
    `confidence`, by the binomial distribution. With too few samples for that, it is the whole range."""
    ordered = sorted(samples)
    n = len(ordered)
    if not n:
        raise ValueError("no samples")
    # The number of samples below the true median is binomial(n, 1/2); its normal approximation, one rank wider.
    half_width = statistics.NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(n) / 2
    low = max(math.floor(n / 2 - half_width) - 1, 0)
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


def typical(calls: Sequence[float]) -> float:
    """The time of a call of a block: the median, or the mean where that is much more. Who does the work of several
    calls in one of them has not made it faster."""
    mean, median = statistics.fmean(calls), statistics.median(calls)
    return mean if mean > _UNEVEN * median else median


def are_uneven(blocks: Sequence[Sequence[float]]) -> bool:
    """Whether in the usual block of calls the mean is much more than the median. A machine that is busy now and then
    disturbs some blocks, not most."""
    return statistics.median(statistics.fmean(calls) / statistics.median(calls) for calls in blocks) > _UNEVEN


def halves_agree(samples: Sequence[float], within: float) -> bool:
    """Whether the medians of the first and the second half differ by at most `within`, relative to the smaller."""
    if len(samples) < 8:
        return True
    middle = len(samples) // 2
    first, second = statistics.median(samples[:middle]), statistics.median(samples[middle:])
    return abs(first - second) <= within * min(first, second)
