"""What values a problem's inputs may take, told from those that it draws."""

from __future__ import annotations

from typing import Literal

import torch

from ..problem import Inputs

Domain = Literal["any", "positive", "fixed"]

_FEWEST_SORTED = 8  # fewer random numbers may rise by chance


def activations(inputs: Inputs) -> list[str]:
    """Paths of floating arguments with the most axes; module state and vectors beside matrices are weights. What rises
    or falls along its rows (edges of bins, times) stays so, where there is anything else to change."""
    floats = {
        p: t for p, t in inputs.tensors().items() if t.is_floating_point() and p.startswith("args.") and t.numel()
    }
    most = max((t.ndim for t in floats.values()), default=0)
    chosen = [p for p, t in floats.items() if t.ndim >= min(2, most) and t.ndim > 0 and not is_mask(t)]
    return [p for p in chosen if not is_sorted(floats[p])] or chosen


def is_sorted(t: torch.Tensor) -> bool:
    """Whether every row along the last axis rises, or every row falls, and not all are constant."""
    if t.shape[-1] < _FEWEST_SORTED:
        return False
    steps = t.double().diff(dim=-1)
    return bool(steps.any()) and bool((steps >= 0).all() | (steps <= 0).all())


def is_mask(t: torch.Tensor) -> bool:
    return bool(((t == 0) | torch.isinf(t)).all())


def domain(t: torch.Tensor) -> str:
    wide = t.double()
    if not bool(torch.isfinite(wide).all()):
        return "fixed"
    if bool((wide < 0).any()):
        return "any"
    # Probabilities sum to one as exactly as float32, in which they are usually made, or their own dtype can say.
    eps = max(torch.finfo(t.dtype).eps, torch.finfo(torch.float32).eps)
    sums_to_one = (wide.sum(-1) - 1).abs().amax() <= t.shape[-1] * eps
    return "fixed" if bool(sums_to_one) else "positive"
