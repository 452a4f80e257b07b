"""The judge: is the outcome of one call right? Structure first, then side effects, then numbers.

No tolerance is chosen here: `Limits` come from the error that the reference itself makes (limits.py, docs/judge.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from ..candidate import Status
from . import derivation
from .exact import allowed_slips, slips
from .limits import FEWEST_IN_COLUMN, MAX_ULP_INTERNAL, MAX_ULP_OUTPUT, Limits, Signed
from .noise import Sums
from .outputs import OutputTruth, error_of, error_sums
from .rounding import FINITE, STORED_ONLY, classes, ulp
from .truth import Truth, overlaps
from .verdict import RuleCheck

if TYPE_CHECKING:
    from ..child.session import Outcome, OutputMeta

_PEAK_BLOCK = 1 << 18  # elements of suspect rows that are looked at together


@dataclass(frozen=True)
class Judgement:
    """`error` and `allowed` belong to the rule that came closest to its limit (`rule`), in units of the reference's own
    error, or relative to the truth where the rule is about a signed error; for anything that is not a matter of size
    they are 1 and 0. `margins` gives error/allowed per rule, the worst over outputs; all are at most 1 when the status
    is PASSED. `rules` says how each limit of that output came about."""

    status: Status
    error: float = 0.0
    allowed: float = 0.0
    detail: str = ""
    output: str = ""
    rule: str = ""
    margins: dict[str, float] = field(default_factory=dict)
    checks: tuple[_Check, ...] = ()

    @property
    def passed(self) -> bool:
        return self.status is Status.PASSED

    def rules(self) -> tuple[RuleCheck, ...]:
        return tuple(c.shown(self.output) for c in self.checks)


@dataclass(frozen=True)
class _Check:
    """One rule on one output: `error` beside `allowed`, both in the output's units, the `unit` to show them in, and
    what tells how the limit came about, in the units that it is given."""

    rule: str
    error: float
    allowed: float
    unit: float
    where: str
    how: Callable[[float], str]

    @property
    def ratio(self) -> float:
        return self.error / self.allowed if self.allowed > 0 else (float("inf") if self.error > 0 else 0.0)

    def shown(self, output: str) -> RuleCheck:
        """The check as it is kept: signed errors relative to the truth, all others in the units of the output."""
        unit = self.unit if "signed" in self.rule else 1.0
        error, allowed = (min(v / unit, derivation.LARGEST) for v in (self.error, self.allowed))
        return RuleCheck(
            rule=self.rule, output=output, where=self.where, error=error, allowed=allowed, derivation=self.how(unit)
        )


def judge(truth: Truth, outcome: Outcome, *, truncating_bf16: bool = False, device: str | None = None) -> Judgement:
    """Compare what one call did with the truth.

    `truncating_bf16`: the candidate ran on a back end that cuts float32 to bfloat16 instead of rounding (Triton's
    interpreter); the rounding floor of bfloat16 outputs is then one unit, one-sided, and that bias is no error.
    `device`: where outputs must live ("cpu", "cuda"), None to accept any.
    """
    left = [path for path in truth.changes if path not in outcome.changed]
    if left:
        return _fail(
            Status.INCORRECT_NUMERICAL, left[0], f"the call left {left[0]} as it was; the reference changes it"
        )
    outcome = _followed(truth, outcome)
    finding = _structure(truth, outcome, device) or _side_effects(truth, outcome)
    if finding is not None:
        return finding
    pairs = [*zip(truth.outputs, outcome.outputs, strict=True)]
    pairs += [(right, outcome.grads[name]) for name, right in truth.grads.items()]
    pairs = [(right, value.cpu()) for right, value in pairs]
    best = Judgement(Status.PASSED)
    margins: dict[str, float] = {}
    for right, value in pairs:
        found = _values(right, value, truncating_bf16)
        if not found.passed:
            return found
        for rule, ratio in found.margins.items():
            margins[rule] = max(margins.get(rule, 0.0), ratio)
        if max(found.margins.values(), default=0.0) >= max(best.margins.values(), default=0.0):
            best = found
    return Judgement(best.status, best.error, best.allowed, best.detail, best.output, best.rule, margins, best.checks)


def _followed(truth: Truth, outcome: Outcome) -> Outcome:
    """The outcome whose outputs are those of the call, and then the arguments that the reference changes too."""
    values = tuple(outcome.changed[path] for path in truth.changes)
    metas = tuple(
        replace(outcome.metas[0], is_tensor=True, shape=tuple(v.shape), dtype=str(v.dtype).removeprefix("torch."),
                stride=tuple(v.stride()), device=v.device.type, aliases=(), aliases_outputs=())
        for v in values if outcome.metas
    )  # fmt: skip
    return replace(outcome, outputs=(*outcome.outputs, *values), metas=(*outcome.metas, *metas))


def _fail(status: Status, output: str, detail: str) -> Judgement:
    return Judgement(status, 1.0, 0.0, detail, output, status.name.lower())


def _structure(truth: Truth, outcome: Outcome, device: str | None) -> Judgement | None:
    if len(outcome.metas) != len(truth.outputs):
        return _fail(
            Status.INCORRECT_SHAPE,
            "",
            f"{len(outcome.metas)} outputs came back, the reference gives {len(truth.outputs)}",
        )
    for right, meta, value in zip(truth.outputs, outcome.metas, outcome.outputs, strict=True):
        finding = _shape_and_type(right, meta, device)
        if finding is not None:
            return finding
        if tuple(value.shape) != right.shape:
            return _fail(Status.INCORRECT_SHAPE, right.name, f"{right.name} could not be read back in its shape")
    for name, right in truth.grads.items():
        gradient = outcome.grads.get(name)
        if gradient is None or tuple(gradient.shape) != right.shape:
            shape = "none" if gradient is None else list(gradient.shape)
            return _fail(
                Status.INCORRECT_SHAPE, right.name, f"the gradient of {name} is {shape}, not {list(right.shape)}"
            )
        if gradient.dtype != right.dtype:
            return _fail(
                Status.INCORRECT_DTYPE, right.name, f"the gradient of {name} is {gradient.dtype}, not {right.dtype}"
            )
    return None


def _shape_and_type(right: OutputTruth, meta: OutputMeta, device: str | None) -> Judgement | None:
    name = right.name
    if not meta.is_tensor:
        return _fail(Status.INCORRECT_DTYPE, name, f"{name} is no tensor")
    if tuple(meta.shape) != right.shape:
        return _fail(
            Status.INCORRECT_SHAPE,
            name,
            f"{name} has shape {list(meta.shape)}, the reference {list(right.shape)}",
        )
    dtype, wanted = meta.dtype.removeprefix("torch."), str(right.dtype).removeprefix("torch.")
    if dtype != wanted:
        return _fail(Status.INCORRECT_DTYPE, name, f"{name} is {dtype}, the reference gives {wanted}")
    if device is not None and meta.device.partition(":")[0] != device.partition(":")[0]:
        return _fail(Status.INCORRECT_DTYPE, name, f"{name} lives on {meta.device}, the reference's on {device}")
    return None


def _side_effects(truth: Truth, outcome: Outcome) -> Judgement | None:
    if outcome.out_of_bounds:
        return _fail(Status.OUT_OF_BOUNDS, "", f"memory beside {', '.join(outcome.out_of_bounds)} was written")
    mutated = [p for p in outcome.mutated if p not in truth.mutates]
    if mutated:
        return _fail(Status.MUTATED_INPUT, "", f"the call changed {', '.join(mutated)}; the reference does not")
    for index, (right, meta) in enumerate(zip(truth.outputs, outcome.metas, strict=True)):
        extra = [p for p in meta.aliases if p not in truth.aliases[index]]
        if extra:
            return _fail(Status.ALIASED_OUTPUT, right.name, f"{right.name} shares memory with {', '.join(extra)}")
        if index < len(truth.overlapping) and not truth.overlapping[index] and overlaps(meta.shape, meta.stride):
            return _fail(Status.ALIASED_OUTPUT, right.name, f"elements of {right.name} share memory with each other")
        others = [truth.outputs[i].name for i in meta.aliases_outputs if i != index and not _shared(truth, index, i)]
        if others:
            return _fail(Status.ALIASED_OUTPUT, right.name, f"{right.name} shares memory with {', '.join(others)}")
    if not outcome.stable:
        return _fail(Status.ALIASED_OUTPUT, "", "the result of one call was changed by a following call")
    return None


def _shared(truth: Truth, a: int, b: int) -> bool:
    if b >= len(truth.outputs) or not truth.working:
        return False
    return truth.working[a].untyped_storage().data_ptr() == truth.working[b].untyped_storage().data_ptr()


def _values(right: OutputTruth, value: torch.Tensor, truncating: bool) -> Judgement:
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
    checks = [*_numbers(right, value_RN, found, truncating), *_between(right, value_RN)]
    return _verdict(right, checks, truncating)


def _verdict(right: OutputTruth, checks: list[_Check], truncating: bool) -> Judgement:
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
        slack = f", where the reference's own runs allow {most} by {step}" if most else ""
        detail = f"{right.name}: {found.count} {numbers} differ by up to {found.step}, first at {where}{slack}"
    check = _Check("exact", float(found.count), float(most), 1.0, where, lambda _: derivation.exact(right, most, step))
    if wrong:
        bad = _fail(Status.INCORRECT_NUMERICAL, right.name, detail)
        return replace(bad, rule="exact", checks=(check,))
    margins = {"exact": found.count / most if most else 0.0}
    shown = (float(found.count), float(most)) if most else (0.0, 0.0)
    return Judgement(Status.PASSED, *shown, detail, right.name, "exact", margins, (check,))


def _non_finite(right: OutputTruth, value: torch.Tensor) -> Judgement | None:
    # A NaN or infinity anywhere makes the sum one; a sum that overflows only costs the slower look.
    if right.codes is None and bool(torch.isfinite(value.sum(dtype=torch.float64))):
        return None
    got = classes(value.double())
    differs = got != FINITE if right.codes is None else got != right.codes
    if not bool(differs.any()):
        return None
    view = right.layout.view(differs)
    row, column = divmod(int(view.reshape(-1).to(torch.uint8).argmax()), right.layout.length)
    words = ("finite", "NaN", "+Inf", "-Inf")
    place = differs.reshape(-1).to(torch.uint8).argmax()
    is_ = words[int(got.reshape(-1)[place])]
    should = words[0] if right.codes is None else words[int(right.codes.reshape(-1)[place])]
    where = right.layout.where(row, column)
    return _fail(
        Status.NONFINITE,
        right.name,
        f"{right.name} is {is_} at {where}, should be {should} ({int(differs.sum())} places)",
    )


def _numbers(right: OutputTruth, value_RN: torch.Tensor, found: Sums, truncating: bool) -> Iterator[_Check]:
    limits, grid = right.limits(truncating), right.grid
    assert grid is not None
    assert right.value_RN is not None
    total = float(grid.count_R.sum())
    own = max((float(s.square_R.sum()) / total) ** 0.5 for s in right.runs)
    unit = max(own, (float(grid.floor2_R.sum()) / total) ** 0.5)
    yield _Check(
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
    yield _Check("row's RMS error", float(rms_R[row]), float(limits.rms_R[row]), unit_row, right.layout.where(row), how)
    yield _peak(right, value_RN, found, limits)
    yield from _signed(right, found, limits)


def _peak(right: OutputTruth, value_RN: torch.Tensor, found: Sums, limits: Limits) -> _Check:
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
    return _Check("largest error", worst[0], worst[1], unit, right.layout.where(worst[2], worst[3]), how)


def _signed(right: OutputTruth, found: Sums, limits: Limits) -> Iterator[_Check]:
    """The error's component along the truth: rounding averages out there, a wrong scale or statistic does not."""
    grid, layout = right.grid, right.layout
    assert grid is not None
    norm = float(grid.square_R.sum()) ** 0.5
    if norm == 0:
        return
    distance = _outside(torch.tensor(float(found.along_R.sum()) / norm), torch.tensor(limits.low))
    whole = limits.parts.along
    yield _Check("signed error", float(distance), limits.along, norm, "the whole output", _signed_how(whole, 0))
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
        yield _Check(rule, float(distance[index]), float(limit[index]), unit, where(index), how)


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


def _between(right: OutputTruth, value_RN: torch.Tensor) -> Iterator[_Check]:
    """Beside a jump of the reference either side is right, and what lies beyond both is not."""
    if right.open_RN is None or right.low_RN is None or right.high_RN is None or not bool(right.open_RN.any()):
        return
    places = right.open_RN.nonzero()
    low, high, value = (t[right.open_RN].double() for t in (right.low_RN, right.high_RN, value_RN))
    over = torch.maximum(low - value, value - high).clamp(min=0)
    allowed = (high - low).clamp(min=1e-300)
    index = _worst(over, allowed)
    row, column = places[index].tolist()
    yield _Check(
        "error beside a jump",
        float(over[index]),
        float(allowed[index]),
        float(allowed[index]),
        right.layout.where(row, column),
        lambda _: "any value between what the reference gives on inputs moved by up to 2^-20 of themselves",
    )
