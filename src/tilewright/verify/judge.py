"""The judge: is the outcome of one call right? Structure first, then side effects, then numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from ..candidate import Status
from .acceptance import judged_by_checker
from .judgement import Judgement, fail
from .outputs import as_numbers
from .rules import judge_values
from .structure import side_effects, structure
from .truth import Truth

if TYPE_CHECKING:
    from ..child.outcome import Outcome


def judge(
    truth: Truth, outcome: Outcome, *, truncating_bf16: bool = False, device: str | None = None, thorough: bool = True
) -> Judgement:
    """Compare what one call did with the truth. Where not `thorough`, the first broken rule ends it: for who only asks
    whether it passes.

    `truncating_bf16`: the candidate ran on a back end that cuts float32 to bfloat16 instead of rounding (Triton's
    interpreter); the rounding floor of bfloat16 outputs is then one unit, one-sided, and that bias is no error.
    `device`: where outputs must live ("cpu", "cuda"), None to accept any.
    """
    left = [path for path in truth.changes if path not in outcome.changed]
    if left:
        return fail(Status.INCORRECT_NUMERICAL, left[0], f"the call left {left[0]} as it was; the reference changes it")
    for index, (meta, dtype) in enumerate(zip(outcome.metas, map(truth.complex.get, range(len(outcome.metas))))):
        if dtype is not None and meta.is_tensor and meta.dtype != dtype:
            name = truth.outputs[index].name
            return fail(Status.INCORRECT_DTYPE, name, f"{name} is {meta.dtype}, the reference gives {dtype}")
    outcome = _followed(truth, _in_real_numbers(truth, outcome))
    finding = structure(truth, outcome, device) or side_effects(truth, outcome)
    if finding is not None:
        return finding
    if truth.accepts is not None:
        return judged_by_checker(truth, outcome)
    pairs = [*zip(truth.outputs, outcome.outputs, strict=True)]
    pairs += [(right, outcome.grads[name]) for name, right in truth.grads.items()]
    pairs = [(right, value.cpu()) for right, value in pairs]
    best = Judgement(Status.PASSED)
    margins: dict[str, float] = {}
    for right, value in pairs:
        found = judge_values(right, value, truncating_bf16, thorough)
        if not found.passed:
            return found
        for rule, ratio in found.margins.items():
            margins[rule] = max(margins.get(rule, 0.0), ratio)
        if max(found.margins.values(), default=0.0) >= max(best.margins.values(), default=0.0):
            best = found
    return Judgement(best.status, best.error, best.allowed, best.detail, best.output, best.rule, margins, best.checks)


def _in_real_numbers(truth: Truth, outcome: Outcome) -> Outcome:
    """The outcome with complex outputs as real numbers, as the truth has them."""
    if not truth.complex:
        return outcome
    outputs, metas = list(outcome.outputs), list(outcome.metas)
    for index in (i for i in truth.complex if i < len(metas) and metas[i].is_tensor):
        outputs[index] = as_numbers(outputs[index])
        shape = metas[index].shape
        real = torch.empty(0, dtype=getattr(torch, truth.complex[index])).real.dtype
        doubled = (*shape[:-1], 2 * shape[-1]) if shape else (2,)
        metas[index] = replace(metas[index], shape=doubled, dtype=str(real).removeprefix("torch."))
    return replace(outcome, outputs=tuple(outputs), metas=tuple(metas))


def _followed(truth: Truth, outcome: Outcome) -> Outcome:
    """The outcome whose outputs are those of the call, and then the arguments that the reference changes too."""
    values = tuple(outcome.changed[path] for path in truth.changes)
    metas = tuple(
        replace(outcome.metas[0], is_tensor=True, shape=tuple(v.shape), dtype=str(v.dtype).removeprefix("torch."),
                stride=tuple(v.stride()), device=v.device.type, aliases=(), aliases_outputs=())
        for v in values if outcome.metas
    )  # fmt: skip
    return replace(outcome, outputs=(*outcome.outputs, *values), metas=(*outcome.metas, *metas))
