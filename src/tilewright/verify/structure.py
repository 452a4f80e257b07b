"""What is looked at before any number: outputs in number, shape and dtype, and what a call did beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..candidate import Status
from .judgement import Judgement, fail
from .outputs import OutputTruth
from .truth import Truth, overlaps

if TYPE_CHECKING:
    from ..child.outcome import Outcome, OutputMeta


def structure(truth: Truth, outcome: Outcome, device: str | None) -> Judgement | None:
    if len(outcome.metas) != len(truth.outputs):
        return fail(
            Status.INCORRECT_SHAPE,
            "",
            f"{len(outcome.metas)} outputs came back, the reference gives {len(truth.outputs)}",
        )
    for right, meta, value in zip(truth.outputs, outcome.metas, outcome.outputs, strict=True):
        finding = _shape_and_type(right, meta, device)
        if finding is not None:
            return finding
        if tuple(value.shape) != right.shape:
            return fail(Status.INCORRECT_SHAPE, right.name, f"{right.name} could not be read back in its shape")
    for name, right in truth.grads.items():
        gradient = outcome.grads.get(name)
        if gradient is None or tuple(gradient.shape) != right.shape:
            shape = "none" if gradient is None else list(gradient.shape)
            return fail(
                Status.INCORRECT_SHAPE, right.name, f"the gradient of {name} is {shape}, not {list(right.shape)}"
            )
        if gradient.dtype != right.dtype:
            return fail(
                Status.INCORRECT_DTYPE, right.name, f"the gradient of {name} is {gradient.dtype}, not {right.dtype}"
            )
    return None


def _shape_and_type(right: OutputTruth, meta: OutputMeta, device: str | None) -> Judgement | None:
    name = right.name
    if not meta.is_tensor:
        subclass = (
            f"{meta.kind}, a subclass of torch.Tensor" if meta.device else f"{meta.kind or meta.dtype}, no tensor"
        )
        return fail(Status.INCORRECT_DTYPE, name, f"{name} is a {subclass}: plain tensors are expected")
    if tuple(meta.shape) != right.shape:
        return fail(
            Status.INCORRECT_SHAPE,
            name,
            f"{name} has shape {list(meta.shape)}, the reference {list(right.shape)}",
        )
    dtype, wanted = meta.dtype.removeprefix("torch."), str(right.dtype).removeprefix("torch.")
    if dtype != wanted:
        return fail(Status.INCORRECT_DTYPE, name, f"{name} is {dtype}, the reference gives {wanted}")
    if device is not None and meta.device.partition(":")[0] != device.partition(":")[0]:
        return fail(Status.INCORRECT_DTYPE, name, f"{name} lives on {meta.device}, the reference's on {device}")
    return None


def side_effects(truth: Truth, outcome: Outcome) -> Judgement | None:
    if outcome.out_of_bounds:
        return fail(Status.OUT_OF_BOUNDS, "", f"memory beside {', '.join(outcome.out_of_bounds)} was written")
    mutated = [p for p in outcome.mutated if p not in truth.mutates]
    if mutated:
        return fail(Status.MUTATED_INPUT, "", f"the call changed {', '.join(mutated)}; the reference does not")
    for index, (right, meta) in enumerate(zip(truth.outputs, outcome.metas, strict=True)):
        extra = [p for p in meta.aliases if p not in truth.aliases[index]]
        if extra:
            return fail(Status.ALIASED_OUTPUT, right.name, f"{right.name} shares memory with {', '.join(extra)}")
        if index < len(truth.overlapping) and not truth.overlapping[index] and overlaps(meta.shape, meta.stride):
            return fail(Status.ALIASED_OUTPUT, right.name, f"elements of {right.name} share memory with each other")
        twins = truth.twins[index] if index < len(truth.twins) else frozenset()
        others = [truth.outputs[i].name for i in meta.aliases_outputs if i != index and i not in twins]
        if others:
            return fail(Status.ALIASED_OUTPUT, right.name, f"{right.name} shares memory with {', '.join(others)}")
    if not outcome.stable:
        return fail(Status.ALIASED_OUTPUT, "", "the result of one call was changed by a following call")
    return None
