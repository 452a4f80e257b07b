"""How much error an honest implementation may show: every constant of the judge, and the limits made from them.

A limit is built from what was measured on the reference, never from a number of the user's:

    E      error of the reference at the working dtype, against float64
    floor  what correct rounding to the output's dtype costs (half a unit in the last place, over sqrt 3)
    sigma  spread of the part of the error that whole rows share (a row's sum is one number): pooled over rows

docs/judge.md derives the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .noise import Grid, Sums
from .rounding import FRACTION_BITS

# RMS error may be twice the reference's: an honest kernel rounds as often as the reference or as the plain kernel
# does, in another order; a lost bit is a factor of 2.
RMS_FACTOR = 2.0
# A maximum over n errors varies more than their RMS: the largest of n Gaussians is 2 to 5 sigma.
MAX_FACTOR = 4.0
# Correct rounding errs by half a unit of the output's dtype, by up to one when the value before it was a tie.
MAX_ULP_OUTPUT = 1.0
# Elementary functions of real back ends err by 1 to 2 units of float32 (CUDA's math tables), two of them in a row.
MAX_ULP_INTERNAL = 4.0
# Probability that one check rejects an honest implementation.
FALSE_REJECTION = 1e-6
# From this many on, the median of a sample of row errors is known to about a tenth.
MANY_SAMPLES = 64
# In a column of fewer elements nothing averages out: its signed error is that of single elements, which have rules.
FEWEST_IN_COLUMN = 8
# Rounding errors of correct rounding never exceed half a unit: sqrt(3) times their RMS.
ROUNDING_PEAK = math.sqrt(3.0)


@dataclass(frozen=True)
class Signed:
    """What S limits of a signed error are made of, as lengths: the reference's own, the chance sum of independent
    roundings, what whole rows share, and the units of the internal precision that elementary functions may be off."""

    own_S: Tensor
    chance_S: Tensor
    together: float
    units_S: Tensor

    @property
    def total_S(self) -> Tensor:  # noqa: N802 (the suffix names the axis)
        return RMS_FACTOR * self.own_S + self.chance_S + self.together + self.units_S


@dataclass(frozen=True)
class Parts:
    """What the limits were made of, to be shown: the reference's own RMS error, what correct rounding costs (widened
    for few values) and what few effective rows add, overall and per row; its own largest error; and what rows share."""

    own: float
    floor: float
    few: float
    own_R: Tensor
    floor_R: Tensor
    shared_R: Tensor
    peak_own_R: Tensor
    along: Signed
    along_R: Signed
    along_N: Signed


@dataclass(frozen=True)
class Limits:
    """Limits of one output, in its own units: RMS overall and per row, maximum per row (any element may also use its
    units in the last place), signed error along the truth overall, per row and per column. `low` is the known bias of
    a truncating back end, 0 otherwise: signed errors lie between min(low, 0) - limit and max(low, 0) + limit."""

    rms: float
    rms_R: Tensor
    peak_R: Tensor
    along: float
    along_R: Tensor
    along_N: Tensor
    low: float
    low_R: Tensor
    low_N: Tensor
    parts: Parts


def deviations(comparisons: int, samples: float) -> float:
    """Return z such that a Gaussian exceeds z times an RMS estimated from `samples` values with a probability below
    FALSE_REJECTION in any of `comparisons` (Chernoff-like bound of Student's t: P(|T| > t) <= (1 + t^2/n)^(-n/2))."""
    log_odds = math.log(2 * max(1, comparisons) / FALSE_REJECTION)
    if samples > 1e5:
        return math.sqrt(2 * log_odds)
    return math.sqrt(samples * math.expm1(2 * log_odds / samples))


def excess(samples: Tensor, comparisons: int) -> Tensor:
    """Return the factor by which the RMS of `samples` independent errors stays below its expectation's multiple, in all
    `comparisons` (Laurent and Massart 2000, lemma 1, for chi-square)."""
    x = math.log(max(1, comparisons) / FALSE_REJECTION)
    n = samples.clamp(min=1).double()
    return (1 + 2 * (x / n).sqrt() + 2 * x / n).sqrt()


def limits_for(grid: Grid, runs: list[Sums], truncating: bool) -> Limits:
    """Make the limits of one output from its grid of roundings and the errors of the reference's runs."""
    rows, count_R = grid.square_R.numel(), grid.count_R
    rms_y_R = (grid.square_R / count_R).sqrt()
    floor2_R = grid.floor2_R / count_R * (4.0 if truncating else 1.0)  # one-sided: u^2/3 instead of u^2/12
    rho2_R = grid.rho2_R / count_R * (4.0 if truncating else 1.0)
    noise_KR = torch.stack([(s.square_R / count_R).sqrt() for s in runs])
    samples = len(runs) * max(1.0, rows / 8)
    z = deviations(rows, samples)
    # A few units of the internal precision: a row that the reference gets exactly right by luck sets no standard.
    internal_R = rms_y_R * 2.0 ** -FRACTION_BITS[grid.internal] / math.sqrt(12)
    sigma_R = torch.clamp(internal_R, min=_spread(noise_KR, grid.rounded_runs))

    own2_R = _with_rounding(noise_KR.amax(0) ** 2, rho2_R, grid)
    lucky_R = excess(grid.distinct_R, rows).clamp(max=ROUNDING_PEAK) ** 2 * floor2_R
    rms_R = (RMS_FACTOR**2 * torch.maximum(own2_R, lucky_R) + (z * sigma_R) ** 2).sqrt()

    peak_KR = torch.stack([s.peak_R for s in runs])
    own_peak_R = torch.maximum(peak_KR.amax(0), grid.rho_peak_R if grid.dtype != grid.internal else peak_KR.amax(0))
    own_peak_R = torch.clamp(own_peak_R, min=_top_eighth(peak_KR.amax(0)))
    peak_R = torch.maximum(MAX_FACTOR * own_peak_R, z * sigma_R)

    total = float(count_R.sum())
    weight_R = count_R / total
    overall2_K = (noise_KR**2 * weight_R).sum(1)
    own2 = float(_with_rounding(overall2_K.max(), (rho2_R * weight_R).sum(), grid))
    floor2 = float((floor2_R * weight_R).sum())
    lucky = float(excess(grid.distinct_R.sum(), 1).clamp(max=ROUNDING_PEAK)) ** 2 * floor2
    energy_R = (torch.maximum(noise_KR.amax(0), internal_R) ** 2) * weight_R
    spread2 = float(excess(energy_R.sum() ** 2 / (energy_R**2).sum().clamp(min=1e-300), 1)) ** 2 - 1
    few2 = spread2 * float(energy_R.sum())
    rms = math.sqrt(RMS_FACTOR**2 * max(own2, lucky) + few2)
    along, along_R, along_N = _signed(grid, runs, truncating)
    parts = Parts(
        math.sqrt(own2), math.sqrt(lucky), math.sqrt(few2), own2_R.sqrt(), lucky_R.sqrt(), z * sigma_R, own_peak_R,
        along, along_R, along_N,
    )  # fmt: skip
    lows = _bias_of_truncation(grid, truncating)
    return Limits(rms, rms_R, peak_R, float(along.total_S), along_R.total_S, along_N.total_S, *lows, parts)


def _spread(noise_KR: Tensor, rounded_runs: int) -> float:
    """How far the RMS errors of rows lie above their median, as RMS over the largest eighth. Errors that are
    independent from element to element give all rows of a length the same RMS, so what spreads is what a row shares,
    and what kinds of rows differ by. Runs that round every intermediate are a group of their own. Too few samples to
    trust a median: everything counts as shared."""
    cut = noise_KR.shape[0] - rounded_runs
    groups = [g for g in (noise_KR[:cut], noise_KR[cut:]) if g.numel()]
    return max(_top_eighth(g.amax(0) - (g.median() if g.numel() >= MANY_SAMPLES else 0.0)) for g in groups)


def _with_rounding(noise2: Tensor, rho2: Tensor, grid: Grid) -> Tensor:
    """The reference's squared error with its output rounded: float32 runs are already rounded, narrower ones not."""
    return noise2 if grid.dtype == grid.internal else noise2 + rho2


def _signed(grid: Grid, runs: list[Sums], truncating: bool) -> tuple[Signed, Signed, Signed]:
    """Limits of the error's component along the truth, as lengths (sum of e*y over the root of the sum of y*y): of the
    whole output, of each row, of each column."""
    rounding = 4.0 if truncating else 1.0
    clumps_R = grid.count_R / grid.distinct_R.clamp(min=1)
    spread_R, spread_N = rounding * grid.weighted_R * clumps_R, rounding * grid.weighted_N
    rows_KR = torch.stack([s.along_R for s in runs])
    columns_KN = torch.stack([s.along_N for s in runs])
    along_R = _along(rows_KR, grid.rho_along_R, grid.square_R, spread_R, _top_eighth, grid.internal)
    along_N = _along(columns_KN, grid.rho_along_N, grid.square_N, spread_N, _top_eighth, grid.internal)
    norm = _norm(grid)

    def shared(_: Tensor) -> float:
        # Not by way of lengths per row: of rows below 1e-154 the squares are zero, and the errors are not.
        return float((rows_KR.abs().amax(0) ** 2).sum().sqrt() / norm)

    total_K1 = rows_KR.sum(1, keepdim=True)
    total2, spread = grid.square_R.sum().view(1), spread_R.sum().view(1)
    along = _along(total_K1, grid.rho_along_R.sum().view(1), total2, spread, shared, grid.internal, rows_KR.shape[1])
    return along, along_R, along_N


def _bias_of_truncation(grid: Grid, truncating: bool) -> tuple[float, Tensor, Tensor]:
    """The signed error that cutting off makes: of the whole output, of each row, of each column; zero if rounding."""
    low_R = grid.cut_along_R / grid.square_R.sqrt().clamp(min=1e-300) * truncating
    low_N = grid.cut_along_N / grid.square_N.sqrt().clamp(min=1e-300) * truncating
    return float(grid.cut_along_R.sum() / _norm(grid)) * truncating, low_R, low_N


def _norm(grid: Grid) -> Tensor:
    return grid.square_R.sum().sqrt().clamp(min=1e-300)


def _along(
    runs_KS: Tensor,
    rho_S: Tensor,
    square_S: Tensor,
    spread_S: Tensor,
    shared: Callable[[Tensor], float],
    internal: torch.dtype,
    pooled: int = 0,
) -> Signed:
    """Return the limit of each of S signed errors: twice the reference's own, plus the chance sum of independent
    roundings (variance `spread_S` over `square_S`), plus what whole rows share, plus the bias that elementary
    functions of the internal precision have."""
    norm_S = square_S.sqrt().clamp(min=1e-300)
    length_S = (runs_KS / norm_S).abs().amax(0)
    own_S = torch.maximum(length_S, rho_S.abs() / norm_S)
    many = norm_S.numel()
    chance_S = deviations(many, math.inf) * spread_S.sqrt() / norm_S
    samples = runs_KS.shape[0] * max(1.0, (pooled or many) / 8)
    together = deviations(many, samples) * shared(length_S)
    return Signed(own_S, chance_S, together, MAX_ULP_INTERNAL * 2.0 ** -FRACTION_BITS[internal] * norm_S)


def _top_eighth(values: Tensor) -> float:
    """RMS of the largest eighth: kinds of rows that are rarer than that in a batch are judged by their own noise."""
    keep = max(1, values.numel() // 8)
    return float((values.topk(keep).values ** 2).mean().sqrt()) if values.numel() else 0.0
