"""Outputs that are draws (a problem that declares "random"): the candidate's distribution against the reference's.

The reference is drawn many times in the trusted process, under seeds that follow from the run's; the candidate as often
in its child. Two samples of whole calls are then compared in many bounded features: how often a value falls into each
bin (in groups of rows and of columns, so that probabilities must be right where they belong), how often neighbours,
rows and calls agree (one mask for all rows, or the draws of the call before, would), how likely a value is at its place
under the reference, how often a value is one that the reference never gives there, and the mean. Means are compared by
Welch's t, variances by their ratio, each with a bound on its tail that holds over all features at the judge's
probability of a false rejection. Features are means over many elements, hence nearly Gaussian.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ..candidate import CandidateError, Status
from ..problem import Inputs, Problem
from .judgement import Judgement
from .limits import FALSE_REJECTION, deviations
from .rounding import FRACTION_BITS, ulp

# Calls of the candidate by tier; the reference is drawn twice as often.
DRAWS = {"screen": 16, "measure": 32, "certify": 64}
_MOST_ELEMENTS = 1 << 16  # of one output, whole rows from its start, are looked at
_BINS, _GROUPS = 16, 8
_FEWEST_IN_BIN = 20  # over all draws: below that a count is not nearly Gaussian
_CLOSE_UNITS = 4.0  # two ways of rounding one value


@dataclass
class _Output:
    """What the reference's first draws say of one output: `bins` are the borders (or values) that cut it, `seen` those
    draws [S, R, N] in float64, `low` and `high` their range."""

    dtype: torch.dtype
    seen: torch.Tensor
    values: torch.Tensor | None
    borders: torch.Tensor
    low: float
    high: float


def block(value: torch.Tensor) -> torch.Tensor:
    """Return the part of an output that is looked at, as [R, N] in float64."""
    length = value.shape[-1] if value.ndim else 1
    rows = value.detach().cpu().reshape(-1, max(1, length))
    return rows[: max(1, _MOST_ELEMENTS // max(1, length))].double()


def reference_draws(problem: Problem, inputs: Inputs, count: int, seed: int) -> list[tuple[torch.Tensor, ...]]:
    """Draw the reference's outputs `count` times; the program's own random state is left alone."""
    found = []
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for number in range(count):
            torch.manual_seed((seed + 7919 * number) % 2**62)
            found.append(problem.run(inputs.map(lambda _, t: t.clone())))
    return found


def judge_draws(
    problem: Problem, inputs: Inputs, call: Callable[[], Sequence[torch.Tensor]], count: int, seed: int
) -> Judgement:
    """Compare `count` calls of the candidate with as many draws of the reference that no feature was made from."""
    drawn = reference_draws(problem, inputs, 2 * count, seed)
    first, second = drawn[:count], drawn[count:]
    if all(torch.equal(a, b) for other in first[1:] for a, b in zip(first[0], other, strict=True)):
        raise CandidateError(
            Status.INVALID_REFERENCE, f"{problem.name} declares random, and its reference gives the same for every seed"
        )
    called = [tuple(o.detach().cpu() for o in call()) for _ in range(count)]
    worst = Judgement(
        Status.PASSED, detail=f"{count} calls against {count} draws of the reference", rule="distribution"
    )
    for index in range(len(first[0])):
        if not first[0][index].numel():
            continue
        known = _learn([d[index] for d in first])
        mine = _features(known, [block(c[index]) for c in called])
        theirs = _features(known, [block(d[index]) for d in second])
        name = problem.outputs[index] if index < len(problem.outputs) else f"out{index}"
        found = _compare(name, mine, theirs, count, known)
        if found.error * max(worst.allowed, 1e-300) >= worst.error * max(found.allowed, 1e-300):
            worst = found
        if not found.passed:
            return found
    return worst


def _learn(draws: Sequence[torch.Tensor]) -> _Output:
    seen = torch.stack([block(d) for d in draws])
    finite = seen[torch.isfinite(seen)]
    values = finite.unique()
    low, high = (float(values[0]), float(values[-1])) if len(values) else (0.0, 0.0)
    if len(values) <= 2 * _BINS:
        return _Output(draws[0].dtype, seen, values, values, low, high)
    sample = finite[torch.randint(len(finite), (1 << 16,), generator=torch.Generator().manual_seed(5))]
    borders = sample.quantile(torch.linspace(0, 1, _BINS + 1, dtype=torch.float64)[1:-1]).unique()
    return _Output(draws[0].dtype, seen, None, borders, low, high)


def _bin(known: _Output, y: torch.Tensor) -> torch.Tensor:
    """The bin of every value: its place among the borders. A value that the reference never gives is no bin's own."""
    return torch.bucketize(torch.nan_to_num(y), known.borders)


def _features(known: _Output, draws: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return features by name, one value per draw [S]."""
    rows: list[dict[str, float]] = []
    before: torch.Tensor | None = None
    counts = _counts(known)
    usual = _bin(known, known.seen)
    for y in draws:
        b = _bin(known, y)
        found = {"share of values that are not finite": float((~torch.isfinite(y)).double().mean())}
        found["mean"] = float(torch.nan_to_num(y).clamp(known.low, known.high).mean())
        found["share of values that the reference never gives there"] = _unseen(known, y)
        found["likelihood under the reference"] = float((usual == b).double().mean())
        found |= _shares(b, counts)
        if b.shape[1] > 1:
            found["neighbours that agree"] = float((b[:, 1:] == b[:, :-1]).double().mean())
        if b.shape[0] > 1:
            found["rows that agree"] = float((b[1:] == b[:-1]).double().mean())
        if before is not None:
            found["calls that agree"] = float((b == before).double().mean())
        rows.append(found)
        before = b
    rows[0].setdefault("calls that agree", rows[-1].get("calls that agree", 0.0))
    return {name: torch.tensor([r[name] for r in rows], dtype=torch.float64) for name in rows[0]}


def _unseen(known: _Output, y: torch.Tensor) -> float:
    close = _CLOSE_UNITS * ulp(torch.nan_to_num(y), known.dtype) if known.dtype.is_floating_point else 0.0
    hit = torch.zeros(y.shape, dtype=torch.bool)
    for draw in known.seen:
        hit |= (draw - y).abs() <= close
    return float((~hit).double().mean())


def _groups(size: int) -> list[slice]:
    step = -(-size // min(_GROUPS, size))
    return [slice(start, start + step) for start in range(0, size, step)]


def _counts(known: _Output) -> list[tuple[str, tuple[slice, slice], int]]:
    """The (group of rows or columns, bin) pairs that the reference fills often enough to be counted."""
    b, found = _bin(known, known.seen), []
    whole = slice(None)
    places = [("", (whole, whole))]
    places += [(f" in rows {g.start} to {g.stop - 1}", (g, whole)) for g in _groups(b.shape[1])]
    places += [(f" in columns {g.start} to {g.stop - 1}", (whole, g)) for g in _groups(b.shape[2])]
    for text, (rows, columns) in places:
        part = b[:, rows, columns].reshape(-1)
        filled = torch.bincount(part, minlength=len(known.borders) + 1)
        rest = part.numel() - filled
        found += [
            (f"share of {_bin_name(known, k)}{text}", (rows, columns), k)
            for k in range(len(filled))
            if min(int(filled[k]), int(rest[k])) >= _FEWEST_IN_BIN
        ]
    return found


def _bin_name(known: _Output, index: int) -> str:
    edges = [-math.inf, *known.borders.tolist(), math.inf]
    if known.values is not None and index < len(known.values):
        return f"values {edges[index + 1]:.4g}"
    return f"values in ({edges[index]:.4g}, {edges[index + 1]:.4g}]"


def _shares(b: torch.Tensor, counts: list[tuple[str, tuple[slice, slice], int]]) -> dict[str, float]:
    return {name: float((b[place] == k).double().mean()) for name, place, k in counts}


def _compare(
    name: str, mine: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], count: int, known: _Output
) -> Judgement:
    """The feature that is farthest off, in means or in variances."""
    tests = 2 * len(mine)
    most_t = deviations(tests, count - 1)
    most_f = _variance_ratio(tests, count - 1)
    rounding = 2.0 ** -FRACTION_BITS[known.dtype] * _CLOSE_UNITS if known.dtype.is_floating_point else 0.0
    # One element in one call: what a count that is rarely above zero varies by at least.
    event = 1.0 / (known.seen[0].numel() ** 2 * count)
    worst = (0.0, 1.0, "")
    for feature in mine:
        a, b = mine[feature], theirs[feature]
        floor = (rounding * float(b.abs().max())) ** 2 + 1e-300
        t = abs(float(a.mean() - b.mean())) / math.sqrt((float(a.var()) + float(b.var())) / count + floor)
        text = f"{feature} is {float(a.mean()):.4g}, the reference's {float(b.mean()):.4g}"
        ratio = (float(a.var()) + event + count * floor) / (float(b.var()) + event + count * floor)
        ratio = max(ratio, 1 / ratio)
        spread = f"{feature} varies from call to call by {float(a.std()):.3g}, the reference's by {float(b.std()):.3g}"
        for error, allowed, said in ((t, most_t, text), (math.log(ratio), math.log(most_f), spread)):
            if error * worst[1] > worst[0] * allowed:
                worst = (error, allowed, said)
    error, allowed, said = worst
    status = Status.PASSED if error <= allowed else Status.INCORRECT_NUMERICAL
    detail = f"{name}: {said} ({error:.3g} standard errors or log ratio, {allowed:.3g} allowed over {count} calls each)"
    return Judgement(
        status, min(error, 1e300), allowed, detail, name, "distribution", {"distribution": error / allowed}
    )


def _variance_ratio(tests: int, degrees: int) -> float:
    """Return f such that the ratio of two sample variances of Gaussians of equal variance exceeds f with a probability
    below FALSE_REJECTION in any of `tests` (Chernoff: P(F > f) <= (4 f / (1 + f)^2)^(degrees / 2))."""
    c = (2 * tests / FALSE_REJECTION) ** (2 / degrees)
    return 2 * c - 1 + 2 * math.sqrt(c * c - c)
