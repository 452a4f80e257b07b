"""Which NaN and infinities are asked of a candidate, where inputs hold such.

An output is asked to be NaN, infinite or finite where the reference is that in float64, at the working dtype and as a
plain kernel. A NaN is asked only where the output depends on an input that is NaN: it changes when other numbers stand
there. One that comes of a product with zero, which another way to compute leaves out (an upper triangle, a masked
score), is not asked for. Where the reference makes NaN of infinities (Inf / Inf in a norm), mathematics has no answer,
and another order of the same steps has another: of such a row nothing is asked. A kernel may spread NaN, which hides
nothing, but not stop it, as far as the reference's own reach: where it mixes the elements of a row, NaN is right in a
row of the output that has a NaN or an infinity; where it mixes rows, in such a matrix of a batch (a mask that is added
lets through what a mask that chooses stops) and in such columns; nowhere else, where every element is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from ..problem import Inputs, Problem
from .arithmetic import Wide
from .outputs import OutputTruth
from .plain_kernel import PlainKernel
from .rounding import FINITE, FREE, MINUS_INF, NAN, PLUS_INF, classes, internal_dtype
from .runs import Run, run

# Far above float64's own rounding (a transform that mixes all inputs), far below any dependence that counts.
_DEPENDS = 2.0**-30
_IN_COLUMN = 2  # rows

Reach = Literal["element", "row", "matrix"]


def free_the_undetermined(
    problem: Problem, inputs: Inputs, numbers: Sequence[Inputs], truths: Sequence[OutputTruth], working: Run
) -> None:
    """Mark in `truths` of the outputs what nothing is asked of. `numbers` are `inputs` with numbers for every NaN."""
    dtypes = [t.dtype for t in inputs.tensors().values() if t.is_floating_point()]
    lifted = inputs.cast(internal_dtype(dtypes[0])).map(lambda _, t: t.clone())
    plain = run(problem, lifted, (), None, PlainKernel())
    moved = [run(problem, one.cast(torch.float64), (), None, Wide()).unrounded for one in numbers]
    for index, truth in enumerate(truths[: len(working.outputs)]):
        if truth.value_RN is None:
            continue
        codes = torch.zeros(truth.shape, dtype=torch.uint8) if truth.codes is None else truth.codes
        free = torch.zeros(truth.shape, dtype=torch.bool)
        for value in (working.outputs[index], plain.unrounded[index]):
            free |= classes(value.detach().cpu().to(truth.dtype).double()) != codes
        values = [one[index].detach().cpu().double() for one in moved]
        free |= (codes == NAN) & ~_depends(values)
        free |= _in_row(torch.stack([value.isnan() for value in values]).all(0))
        truth.codes = torch.where(free, FREE, codes).to(torch.uint8)
        truth.nan_too = _may_be_nan(truth.codes, _reach(codes != FINITE, inputs))
        judged = truth.layout.view(truth.codes) == FINITE
        truth.value_RN = torch.where(judged, truth.value_RN, 0.0)


def _in_row(marked: torch.Tensor) -> torch.Tensor:
    """Mark every element whose row of the last axis has a marked one; numbers of one axis are rows of their own."""
    return marked if marked.ndim < 2 else marked.any(-1, keepdim=True).expand(marked.shape)


def _reach(strange: torch.Tensor, inputs: Inputs) -> Reach:
    """How far a NaN of an input comes in this reference: as far as what is `strange` of the output lies from what is
    no number in the inputs."""
    special = [~t.cpu().isfinite() for t in inputs.tensors().values() if t.is_floating_point()]
    elements = [s for s in special if s.shape == strange.shape]
    if elements and not bool((strange & ~torch.stack(elements).any(0)).any()):
        return "element"
    rows = [s.any(-1) for s in special if s.ndim and s.shape[:-1] == strange.shape[:-1]]
    if rows and strange.ndim and not bool((strange.any(-1) & ~torch.stack(rows).any(0)).any()):
        return "row"
    return "matrix"


def _may_be_nan(codes: torch.Tensor, reach: Reach) -> torch.Tensor:
    """Where NaN is right as well: in place of an infinity, and beside one, or a NaN, as far as the reference's own
    NaN reach. In a matrix that means columns that two rows, which are not strange as a whole, agree on: a product that
    leaves nothing out, as zeros do, spreads a NaN of its second factor so."""
    found = codes != FINITE  # where nothing is asked, there is something strange as well
    strange = found if reach == "element" else _in_row(found)
    if reach == "matrix" and strange.ndim > 2:
        strange = strange.any(-2, keepdim=True).expand(strange.shape)
    if reach == "matrix" and strange.ndim == 2:
        partly = found & ~found.all(-1, keepdim=True)
        strange = strange | (partly.sum(-2, keepdim=True) >= _IN_COLUMN)
    return (codes == PLUS_INF) | (codes == MINUS_INF) | strange


def _depends(values: Sequence[torch.Tensor]) -> torch.Tensor:
    """Where outputs that were made from different numbers are not all the same."""
    first, scale = values[0], torch.zeros(())
    for value in values:
        finite = torch.where(value.isfinite(), value, 0.0).abs()
        scale = torch.maximum(scale, finite.amax(-1, keepdim=True) if finite.ndim and finite.numel() else finite)
    found = torch.zeros(first.shape, dtype=torch.bool)
    for value in values[1:]:
        found |= (classes(value) != classes(first)) | ((value - first).abs() > _DEPENDS * scale)
    return found
