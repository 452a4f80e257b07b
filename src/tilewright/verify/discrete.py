"""Families of integers and booleans that random numbers never hit: one value nearly everywhere, rows of padding, the
ends of a range, rows of a mask that are all false or all true.

What could be offsets is left alone (sorted numbers), and distinct numbers stay distinct, as a reference that writes to
places may have no answer for a place that comes twice. An index that a reference does not take makes it raise, and the
family is skipped.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from ..problem import Inputs
from .special import Draw

# Families and what they are for, in one line each.
DISCRETE = {
    "few_values": "integers that are nearly all the same, rows of the least or the largest; rows of masks all false, "
    "all true, or as drawn",
    "ends": "the first and the last index that the shapes allow, single ones and rows of them",
}
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_SHARE = 7 / 8  # of the elements that take the one value


def discrete(family: str, drawn: Inputs, seed: int) -> Draw:
    """Return the inputs of `family` made from what the problem draws."""
    tensors = {p: t for p, t in drawn.tensors().items() if p.startswith("args.") and t.numel() > 1}
    free = [p for p, t in tensors.items() if t.dtype in _INTEGERS and not _is_sorted(t)]
    masks = [p for p, t in tensors.items() if t.dtype is torch.bool]
    generator = torch.Generator().manual_seed(seed + 1)
    made: dict[str, torch.Tensor] = {}
    if family == "few_values":
        made = {p: _few(tensors[p], generator) for p in free if not _is_distinct(tensors[p])}
        made |= {p: _uniform_rows(tensors[p]) for p in masks}
    else:
        lengths = sorted({n for t in drawn.tensors().values() for n in t.shape})
        made = {p: _ends(tensors[p], lengths) for p in free if int(tensors[p].min()) >= 0}
    made = {p: t for p, t in made.items() if not torch.equal(t, tensors[p])}
    if not made:
        return Draw(None, "no integer or boolean input can be changed so")
    # The state is handed on as the very same object, so that a child does not load equal weights twice.
    return Draw(replace(drawn.map(lambda p, t: made.get(p, t)), state=drawn.state, init=drawn.init))


def _is_sorted(t: torch.Tensor) -> bool:
    flat = t.flatten()
    return t.numel() > 2 and bool((flat[1:] >= flat[:-1]).all()) and bool(flat[0] != flat[-1])


def _is_distinct(t: torch.Tensor) -> bool:
    return int(t.unique().numel()) == t.numel()


def _few(t: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    chosen = t.flatten()[int(torch.randint(0, t.numel(), (), generator=generator))]
    few = torch.where(torch.rand(t.shape, generator=generator) < _SHARE, chosen, t)
    return _with_rows_of(few, int(t.min()), int(t.max()))


def _with_rows_of(t: torch.Tensor, low: int, high: int) -> torch.Tensor:
    """Fill an eighth of the rows of two axes or more with each of two numbers, either of which may be padding."""
    if t.ndim < 2:
        return t
    rows = t.reshape(-1, t.shape[-1]).clone()
    rows[0::8], rows[4::8] = low, high
    return rows.view(t.shape)


def _uniform_rows(t: torch.Tensor) -> torch.Tensor:
    """In turn a row of false, one of true, and one as it was drawn; a single row is false."""
    rows = t.reshape(-1, t.shape[-1]).clone()
    rows[0::3] = False
    rows[1::3] = True
    return rows.view(t.shape)


def _ends(t: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    """The largest number becomes the last index of the shortest axis that it fits in, the smallest becomes zero."""
    flat = t.flatten().clone()
    low, high = int(flat.argmin()), int(flat.argmax())
    last = next((n - 1 for n in lengths if n > int(flat[high])), int(flat[high]))
    flat[high] = last = min(last, torch.iinfo(t.dtype).max)
    if low != high:
        flat[low] = 0
    ends = flat.view(t.shape)
    return ends if _is_distinct(t) else _with_rows_of(ends, 0, last)
