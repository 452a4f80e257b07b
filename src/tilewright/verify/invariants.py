"""Properties that a problem declares of its outputs, checked besides the numbers (Problem.invariants).

Some are checked on every call that is judged anyway, some need a call of their own. What the reference itself does not
keep is no invariant, and the problem is told so (INVALID_REFERENCE).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from ..candidate import CandidateError, Status
from ..problem import Problem
from .cases import Case
from .judgement import Judgement
from .limits import MAX_ULP_INTERNAL, MAX_ULP_OUTPUT, RMS_FACTOR, deviations
from .outputs import OutputTruth
from .rounding import FRACTION_BITS, rounded, ulp
from .truth import Truth, make_truth

INVARIANTS = {
    "deterministic": "the same call gives the same bits again",
    "rows_sum_to_one": "the last axis of the first output sums to one",
    "permutation_equivariant": "permuted rows of the inputs give permuted rows of the outputs",
    "monotonic": "no output falls where the first input rises",
    "random": "the outputs are draws: their distribution is judged, not their values",
    "packed_int4": "integer outputs hold two signed four-bit numbers per byte",
    "packed_uint4": "integer outputs hold two unsigned four-bit numbers per byte",
}
# float64 results of two orders of summation: far below the first bit of any output, far above their own rounding.
_EQUAL = 2.0**-36


def refuse_unknown(problem: Problem) -> None:
    """Raise CandidateError(INVALID_REFERENCE), one line, where the problem declares what there is no check for."""
    unknown = [name for name in problem.invariants if name not in INVARIANTS]
    if unknown:
        raise CandidateError(
            Status.INVALID_REFERENCE,
            f"{problem.name} declares the invariant {unknown[0]!r}; there are {', '.join(INVARIANTS)}",
        )


def sums_to_one(problem: Problem, truth: Truth, outputs: tuple[torch.Tensor, ...], truncating: bool) -> Judgement:
    """Judge the sums over the last axis of the first output; PASSED where that is not declared, or not finite."""
    right = truth.outputs[0]
    if "rows_sum_to_one" not in problem.invariants or right.value_RN is None or right.codes is not None:
        return Judgement(Status.PASSED)
    value = outputs[0].detach().cpu().double()
    if not value.numel() or value.ndim == 0:
        return Judgement(Status.PASSED)
    y = _shaped(right)
    if bool(((y.sum(-1) - 1).abs() > _EQUAL).any()):
        raise _not_kept(problem, "rows_sum_to_one")
    allowed = _sum_slack(right, y, truncating)
    off = (value.sum(-1) - 1).abs()
    at = int((off / allowed).argmax())
    error, limit = float(off.reshape(-1)[at]), float(allowed.reshape(-1)[at])
    status = Status.PASSED if error <= limit else Status.INCORRECT_NUMERICAL
    detail = f"{right.name}: row {at} sums to 1 {'+' if value.sum(-1).reshape(-1)[at] > 1 else '-'} {error:.3g}"
    return Judgement(status, error, limit, f"{detail}, {limit:.3g} allowed", right.name, "rows sum to one")


def _sum_slack(right: OutputTruth, y: torch.Tensor, truncating: bool) -> torch.Tensor:
    """Independent roundings of the elements add up by chance; what a row shares moves its sum by as much."""
    assert right.grid is not None
    parts, grid = right.limits(truncating).parts, right.grid
    unit, near = ulp(y, right.dtype), rounded(y, right.dtype)
    distinct = 1 + (near[..., 1:] != near[..., :-1]).sum(-1)  # equal neighbours are rounded alike and count once
    chance = deviations(y[..., 0].numel(), math.inf) * (unit.square().sum(-1) / 12 * y.shape[-1] / distinct).sqrt()
    chance = torch.minimum(chance, unit.sum(-1))
    rms_R = (grid.square_R / grid.count_R).sqrt().clamp(min=1e-300)
    shared = float((parts.shared_R / rms_R).max())
    if right.dtype == grid.internal:
        shared += RMS_FACTOR * float((parts.own_R / rms_R).max())
    internals = MAX_ULP_INTERNAL * 2.0 ** -FRACTION_BITS[grid.internal]
    return chance + shared + internals + (unit.sum(-1) if truncating else 0.0)


@dataclass(frozen=True)
class Extra:
    """A call of its own: its case, and the `slack` [shape of the first output] by which that output may fall below
    the normal call's; None where the truth judges it like any other."""

    case: Case
    slack: torch.Tensor | None = None


def extra_calls(problem: Problem, case: Case, device: torch.device | None) -> Iterator[Extra]:
    """The calls that the declared invariants need, made from the normal `case`."""
    if case.inputs is None or case.truth is None:
        return
    if "permutation_equivariant" in problem.invariants:
        yield Extra(_permuted(problem, case, device))
    if "monotonic" in problem.invariants:
        yield _raised(problem, case, device)


def _permuted(problem: Problem, case: Case, device: torch.device | None) -> Case:
    """The case with permuted rows: of every argument with as many rows as the first output, vectors left out first."""
    assert case.inputs is not None
    assert case.truth is not None
    shape = case.truth.outputs[0].shape
    rows = shape[0] if shape else 0
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(case.seed % 2**62))
    for axes in (2, 1):
        paths = {
            p for p, t in case.inputs.tensors().items() if p.startswith("args.") and t.ndim >= axes and len(t) == rows
        }
        if not paths:
            continue
        inputs = case.inputs.map(lambda p, t, paths=paths: t[order].clone() if p in paths else t)  # type: ignore[misc]
        truth = make_truth(problem, inputs, device=device)
        if all(_same_rows(a, b, order) for a, b in zip(case.truth.outputs, truth.outputs, strict=True)):
            return replace(case, family="rows permuted", inputs=inputs, truth=truth, grads=(), grad_outputs=())
    raise _not_kept(problem, "permutation_equivariant")


def _same_rows(before: OutputTruth, after: OutputTruth, order: torch.Tensor) -> bool:
    """Whether `after` is `before` with its rows in `order`, as exactly as float64 can tell."""
    if before.shape[:1] != (len(order),) or before.shape != after.shape:
        return False
    a, b = _shaped(before)[order], _shaped(after)
    return bool(((a - b).abs() <= _EQUAL * a.abs().max().clamp(min=1e-300)).all()) if a.numel() else True


def _raised(problem: Problem, case: Case, device: torch.device | None) -> Extra:
    """The case with its first floating argument raised, each element by its own share of its spread."""
    assert case.inputs is not None
    assert case.truth is not None
    name = next((n for n, v in case.inputs.args.items() if isinstance(v, torch.Tensor) and v.is_floating_point()), "")
    right = case.truth.outputs[0]
    if not name or right.value_RN is None or right.codes is not None:
        raise _not_kept(problem, "monotonic")
    x = case.inputs.args[name]
    generator = torch.Generator().manual_seed(case.seed % 2**62)
    step = x.double().std(correction=0) * 10.0 ** (-4 + 3 * torch.rand(x.shape, generator=generator))
    higher = (x.double() + step).to(x.dtype)
    inputs = replace(case.inputs, args={**case.inputs.args, name: higher})
    truth = make_truth(problem, inputs, device=device)
    other = truth.outputs[0]
    if other.value_RN is None or other.codes is not None:
        raise _not_kept(problem, "monotonic")
    low, high = _shaped(right), _shaped(other)
    if bool((high < low - _EQUAL * low.abs().max().clamp(min=1e-300)).any()):
        raise _not_kept(problem, "monotonic")
    found = replace(case, family="input raised", inputs=inputs, truth=truth, grads=(), grad_outputs=())
    return Extra(found, _element_slack(right) + _element_slack(other))


def _element_slack(right: OutputTruth) -> torch.Tensor:
    """What one honest value may be off by: the reference's own largest error nearby, or a few units."""
    assert right.value_RN is not None
    assert right.grid is not None
    y = right.value_RN
    units = MAX_ULP_OUTPUT * ulp(y, right.dtype) + MAX_ULP_INTERNAL * ulp(y, right.grid.internal)
    return _shaped(right, torch.maximum(units, right.limits().parts.peak_own_R[:, None].expand(y.shape)))


def not_fallen(case: Case, slack: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> Judgement:
    """Judge that no element of `after` is below `before` by more than `slack`."""
    assert case.truth is not None
    right = case.truth.outputs[0]
    fall = before.detach().cpu().double() - after.detach().cpu().double()
    if not fall.numel():
        return Judgement(Status.PASSED)
    at = int((fall / slack).argmax())
    error, limit = float(fall.reshape(-1)[at]), float(slack.reshape(-1)[at])
    status = Status.PASSED if error <= limit else Status.INCORRECT_NUMERICAL
    where = right.layout.where(*divmod(at, right.layout.length))
    detail = f"{right.name} falls by {error:.3g} at {where} where the input rises, {limit:.3g} allowed"
    return Judgement(status, max(0.0, error), limit, detail, right.name, "monotonic")


def _shaped(right: OutputTruth, values: torch.Tensor | None = None) -> torch.Tensor:
    """Values of an output's rows [R, N] in the shape of the output, its truth by default, as float64."""
    count = math.prod(right.layout.shape)
    given = right.value_RN if values is None else values
    if given is None:
        assert right.exact is not None
        return right.exact.double()
    return given.reshape(-1)[:count].view(right.layout.shape)


def _not_kept(problem: Problem, name: str) -> CandidateError:
    return CandidateError(
        Status.INVALID_REFERENCE,
        f"{problem.name} declares {name} ({INVARIANTS[name]}), and its own reference does not keep it",
    )
