"""The rules on the values of one output: kinds of numbers, sizes of errors, and their sign.

No tolerance is chosen here: `Limits` come from the error that the reference itself makes (limits.py, docs/judge.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from ..candidate import Status
from . import derivation
from .exact import allowed_slips, integers, names_none, repeats, slips
from .judgement import Check, Judgement, fail
from .limits import FEWEST_IN_COLUMN, MAX_ULP_INTERNAL, MAX_ULP_OUTPUT, Limits, Signed
from .noise import Sums
from .outputs import OutputTruth, error_of, error_sums
from .rounding import STORED_ONLY, classes, ulp

_PEAK_BLOCK = 1 << 18  # elements of suspect rows that are looked at together


def judge_values(right: OutputTruth, value: torch.Tensor, truncating: bool, thorough: bool = True) -> Judgement:
    """Judge one output by every rule; where not `thorough`, by none after the first that is broken."""
    value = value.detach().to("cpu")
    if right.random:
        return Judgement(Status.PASSED, detail=f"{right.name} is random: its distribution is judged", output=right.name)
    if right.exact is not None:
        return _exact(right, value)
    if value.dtype in STORED_ONLY:
        value = value.float()
    assert right.value_RN is not None
    if right.value_RN.numel() == 0:
        return Judgement(Status.PASSED, detail=f"{right.name} is empty", output=right.name)
    value_RN = right.layout.view(value)
    found = error_sums(right, value_RN)
    # Where every element is judged, one that is not finite makes the sum of squares so.
    everywhere = right.codes is None and right.open_RN is None
    if not everywhere or not bool(torch.isfinite(found.square_R.sum())):
        wrong = _non_finite(right, value)
        if wrong is not None:
            return wrong
    rules = itertools.chain(_numbers(right, value_RN, found, truncating), _between(right, value_RN))
    return _verdict(right, list(rules) if thorough else _until_broken(rules), truncating)


def _until_broken(rules: Iterator[Check]) -> list[Check]:
    checks: list[Check] = []
    for check in rules:
        checks.append(check)
        if check.ratio > 1:
            break
    return checks


def _verdict(right: OutputTruth, checks: list[Check], truncating: bool) -> Judgement:
    worst = max(checks, key=lambda c: c.ratio)
    status = Status.PASSED if worst.ratio <= 1 else Status.INCORRECT_NUMERICAL
    error, allowed = worst.error / worst.unit, worst.allowed / worst.unit
    measure = "relative to the truth" if "signed" in worst.rule else f"times the reference's own {worst.unit:.3g}"
    detail = f"{right.name}: {worst.rule} of {worst.where} is {error:.3g} {measure}, {allowed:.3g} allowed"
    if truncating and right.dtype == torch.bfloat16:
        detail += " (bfloat16 cut off by the interpreter: judged with a floor of one unit, one-sided)"
    margins = {c.rule: c.ratio for c in checks}
    return Judgement(status, error, allowed, detail, right.name, worst.rule, margins, tuple(checks))


def _exact(right: OutputTruth, value: torch.Tensor) -> Judgement:
    assert right.exact is not None
    found, (most, step) = slips(right, value), allowed_slips(right)
    wrong = found.count > most or found.step > step
    where = right.layout.where(*divmod(found.first, right.layout.length)) if found.count else "the whole output"
    numbers = f"of {right.exact.numel()} values"
    detail = f"{right.name}: every value is exact"
    if found.count:
        by = "" if right.places else f" by {step}"
        slack = f", where the reference's own runs allow {most}{by}" if most else ""
        detail = f"{right.name}: {found.count} {numbers} differ by up to {found.step}, first at {where}{slack}"
    check = Check("exact", float(found.count), float(most), 1.0, where, lambda _: derivation.exact(right, most, step))
    if wrong:
        bad = fail(Status.INCORRECT_NUMERICAL, right.name, detail)
        return replace(bad, rule="exact", checks=(check,))
    if names_none(right, value):
        return fail(Status.INCORRECT_NUMERICAL, right.name, f"{right.name}: a number that is the place of no element")
    if right.distinct and bool((twice := repeats(integers(right, value))).any()):
        row = int(twice.nonzero()[0])
        return fail(Status.INCORRECT_NUMERICAL, right.name, f"{right.name}: row {row} names an element twice")
    margins = {"exact": found.count / most if most else 0.0}
    shown = (float(found.count), float(most)) if most else (0.0, 0.0)
    return Judgement(Status.PASSED, *shown, detail, right.name, "exact", margins, (check,))


def _non_finite(right: OutputTruth, value: torch.Tensor) -> Judgement | None:
    # A NaN or infinity anywhere makes the sum one; a sum that overflows only costs the slower look.
    if right.codes is None and bool(torch.isfinite(value.sum(dtype=torch.float64))):
        return None
    differs = right.other_kind(value)
    if not bool(differs.any()):
        return None
    view = right.layout.view(differs)
    row, column = divmod(int(view.reshape(-1).to(torch.uint8).argmax()), right.layout.length)
    words = ("finite", "NaN", "+Inf", "-Inf")
    place = differs.reshape(-1).to(torch.uint8).argmax()
    is_ = words[int(classes(value.reshape(-1)[place].double()))]
    should = words[0] if right.codes is None else words[int(right.codes.reshape(-1)[place])]
    where = right.layout.where(row, column)
    return fail(
        Status.NONFINITE,
        right.name,
        f"{right.name} is {is_} at {where}, should be {should} ({int(differs.sum())} places)",
    )


def _numbers(right: OutputTruth, value_RN: torch.Tensor, found: Sums, truncating: bool) -> Iterator[Check]:
    limits, grid = right.limits(truncating), right.grid
    assert grid is not None
    assert right.value_RN is not None
    total = float(grid.count_R.sum())
    own = max((float(s.square_R.sum()) / total) ** 0.5 for s in right.runs)
    unit = max(own, (float(grid.floor2_R.sum()) / total) ** 0.5)
    yield Check(
        "RMS error",
        (float(found.square_R.sum()) / total) ** 0.5,
        limits.rms,
        unit,
        "the whole output",
        _how(derivation.rms, right, limits),
    )

    rms_R = (found.square_R / grid.count_R).sqrt()
    row = _worst(rms_R, limits.rms_R)
    unit_row = float((grid.floor2_R[row] / grid.count_R[row]).sqrt())
    unit_row = max(unit_row, max(float((s.square_R[row] / grid.count_R[row]).sqrt()) for s in right.runs))
    how = _how(derivation.row, right, limits, row)
    yield Check("row's RMS error", float(rms_R[row]), float(limits.rms_R[row]), unit_row, right.layout.where(row), how)
    if right.unrounded:
        row = int(found.peak_R.argmax())
        how = lambda _: "what decides every jump of the reference is exact in all its runs, and so is the output"  # noqa: E731
        yield Check("error of an exact output", float(found.peak_R[row]), 0.0, 1.0, right.layout.where(row), how)
    yield _peak(right, value_RN, found, limits)
    yield from _signed(right, found, limits)


def _peak(right: OutputTruth, value_RN: torch.Tensor, found: Sums, limits: Limits) -> Check:
    """Each element may use the larger of its row's limit and a few units in its last place."""
    assert right.value_RN is not None
    assert right.grid is not None
    suspects = (found.peak_R > limits.peak_R).nonzero().view(-1)
    worst: tuple[float, float, int, int | None] = (0.0, 1.0, 0, None)
    if not suspects.numel():
        row = _worst(found.peak_R, limits.peak_R)
        worst = (float(found.peak_R[row]), float(limits.peak_R[row]), row, None)
    error = error_of(right, value_RN)
    for rows in suspects.split(max(1, _PEAK_BLOCK // max(1, right.layout.length))) if suspects.numel() else ():
        y = right.value_RN[rows]
        units = MAX_ULP_OUTPUT * ulp(y, right.dtype) + MAX_ULP_INTERNAL * ulp(y, right.grid.internal)
        allowed = torch.maximum(units, limits.peak_R[rows].to(units.dtype)[:, None])
        e = error(rows).abs()
        at, column = divmod(int((e / allowed).argmax()), e.shape[1])
        if float(e[at, column]) * worst[1] > worst[0] * float(allowed[at, column]):
            worst = (float(e[at, column]), float(allowed[at, column]), int(rows[at]), column)
    unit = max(max(float(s.peak_R[worst[2]]) for s in right.runs), float(right.grid.rho_peak_R[worst[2]]), 1e-300)
    how = _how(derivation.peak, right, limits, worst[2], worst[3])
    return Check("largest error", worst[0], worst[1], unit, right.layout.where(worst[2], worst[3]), how)


def _signed(right: OutputTruth, found: Sums, limits: Limits) -> Iterator[Check]:
    """The error's component along the truth: rounding averages out there, a wrong scale or statistic does not."""
    grid, layout = right.grid, right.layout
    assert grid is not None
    norm = float(grid.square_R.sum()) ** 0.5
    if norm == 0:
        return
    distance = _outside(torch.tensor(float(found.along_R.sum()) / norm), torch.tensor(limits.low))
    whole = limits.parts.along
    yield Check("signed error", float(distance), limits.along, norm, "the whole output", _signed_how(whole, 0))
    kinds: list[tuple[str, torch.Tensor, torch.Tensor, Signed, torch.Tensor, Callable[[int], str]]]
    kinds = [("row's signed error", found.along_R, grid.square_R, limits.parts.along_R, limits.low_R, layout.where)]
    if layout.columns and layout.rows >= FEWEST_IN_COLUMN:
        at = lambda i: f"column {i}"  # noqa: E731
        kinds.append(("column's signed error", found.along_N, grid.square_N, limits.parts.along_N, limits.low_N, at))
    for rule, along, square, parts, low, where in kinds:
        limit = limits.along_R if parts is limits.parts.along_R else limits.along_N
        length = square.sqrt().clamp(min=1e-300)
        distance = torch.where(square > 0, _outside(along / length, low), 0.0)
        index = _worst(distance, limit)
        unit = max(float(length[index]), 1e-300)
        how = _signed_how(parts, index)
        yield Check(rule, float(distance[index]), float(limit[index]), unit, where(index), how)


def _how(tell: Callable[..., str], *about: Any) -> Callable[[float], str]:
    """Tell how a limit came about only when somebody asks."""
    return lambda _: tell(*about)


def _signed_how(parts: Signed, index: int) -> Callable[[float], str]:
    return lambda unit: derivation.signed(parts, index, unit)


def _outside(length: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
    """Distance of a signed length from the interval between `low` and zero."""
    return torch.maximum(length - low.clamp(min=0), low.clamp(max=0) - length).clamp(min=0)


def _worst(error: torch.Tensor, limit: torch.Tensor) -> int:
    return int((error / limit.clamp(min=1e-300)).argmax())


def _between(right: OutputTruth, value_RN: torch.Tensor) -> Iterator[Check]:
    """Beside a jump of the reference either side is right, and what lies beyond both is not."""
    if right.open_RN is None or right.low_RN is None or right.high_RN is None or not bool(right.open_RN.any()):
        return
    places = right.open_RN.nonzero()
    low, high, value = (t[right.open_RN].double() for t in (right.low_RN, right.high_RN, value_RN))
    over = torch.maximum(low - value, value - high).clamp(min=0)
    allowed = (high - low).clamp(min=1e-300)
    index = _worst(over, allowed)
    row, column = places[index].tolist()
    yield Check(
        "error beside a jump",
        float(over[index]),
        float(allowed[index]),
        float(allowed[index]),
        right.layout.where(row, column),
        lambda _: "any value between what the reference gives on inputs moved by up to 2^-20 of themselves",
    )
