"""How a limit came about: one line for each rule, with the numbers that went into it (docs/judge.md has the formulas).

Numbers are in the units of the output, those of signed errors relative to the length of the truth.
"""

from __future__ import annotations

import torch

from .limits import MAX_FACTOR, MAX_ULP_INTERNAL, MAX_ULP_OUTPUT, RMS_FACTOR, Limits, Signed
from .outputs import OutputTruth
from .rounding import ulp

LARGEST = 1.7e308  # JSON has no infinity


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def rms(right: OutputTruth, limits: Limits) -> str:
    parts = limits.parts
    return (
        f"sqrt(({RMS_FACTOR:g} x max({parts.own:.3g} own error of the reference, {parts.floor:.3g} rounding to "
        f"{_name(right.dtype)}))^2 + ({parts.few:.3g} for few effective rows)^2) = {limits.rms:.3g}, "
        f"over {len(right.runs)} runs of the reference"
    )


def row(right: OutputTruth, limits: Limits, index: int) -> str:
    own, floor, shared = (float(t[index]) for t in (limits.parts.own_R, limits.parts.floor_R, limits.parts.shared_R))
    return (
        f"sqrt(({RMS_FACTOR:g} x max({own:.3g} own error of the row, {floor:.3g} rounding to {_name(right.dtype)}))^2 "
        f"+ ({shared:.3g} that a row shares)^2) = {float(limits.rms_R[index]):.3g}"
    )


def peak(right: OutputTruth, limits: Limits, index: int, column: int | None) -> str:
    assert right.grid is not None
    assert right.value_RN is not None
    own, shared = float(limits.parts.peak_own_R[index]), float(limits.parts.shared_R[index])
    text = f"{MAX_FACTOR:g} x {own:.3g} largest own error near this row, {shared:.3g} that a row shares"
    if column is None:
        return f"max({text}) = {float(limits.peak_R[index]):.3g}, or a few units in the element's last place"
    y = right.value_RN[index, column].view(1)
    output, internal = float(ulp(y, right.dtype)), float(ulp(y, right.grid.internal))
    units = MAX_ULP_OUTPUT * output + MAX_ULP_INTERNAL * internal
    allowed = max(units, float(limits.peak_R[index]))
    return (
        f"max({text}, {MAX_ULP_OUTPUT:g} x {output:.3g} unit of {_name(right.dtype)} + {MAX_ULP_INTERNAL:g} x "
        f"{internal:.3g} unit of the internals) = {allowed:.3g}"
    )


def signed(parts: Signed, index: int, unit: float) -> str:
    own, chance, units, total = (
        float(t.reshape(-1)[index]) / unit for t in (parts.own_S, parts.chance_S, parts.units_S, parts.total_S)
    )
    return (
        f"{RMS_FACTOR:g} x {own:.3g} own signed error + {chance:.3g} chance sum of roundings + "
        f"{parts.together / unit:.3g} that rows share + {units:.3g} for {MAX_ULP_INTERNAL:g} units of the internals "
        f"= {total:.3g} of the truth"
    )


def exact(right: OutputTruth, most: int, step: int) -> str:
    beside = int(right.open_RN.sum()) if right.open_RN is not None else 0
    open_ = f"; {beside} elements beside a jump may take either side" if beside else ""
    if not most:
        return f"every value is exact in all of the reference's own {len(right.slips)} runs{open_}"
    own = max(s.count for s in right.slips)
    by = "" if right.places else f" by at most {step}"
    return (
        f"{most} values{by} = {RMS_FACTOR:g} x {own} that slip in the reference's own "
        f"{len(right.slips)} runs, plus chance{open_}"
    )
