"""Integer and boolean outputs: exact, except where a rounding inside the reference may honestly fall on either side.

An output that never came from floating-point numbers is exact. One that did (quantised values, arg-max, comparisons)
is open at elements that jump when the inputs move by a few roundings (runs.bracket), and everywhere else the
reference's own float32 runs say how many elements slip and by how much: none, and then all must be exact; or `n`, and
then a kernel that rounds as often in another order may have twice as many, plus chance, none of them by a larger step.
Where integers name elements (the indices of a top-k or a sort), two that come out equal lie anywhere: no step counts.

Packed outputs (two four-bit numbers in a byte, the low one first) are judged number by number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from .limits import RMS_FACTOR, deviations
from .outputs import OutputTruth, unpacked

_ANYWHERE = 2**63 - 1  # a step that no two integers pass


def integers(right: OutputTruth, value: torch.Tensor) -> torch.Tensor:
    """Return an integer output as the numbers that are compared."""
    return unpacked(value, right.packed) if right.packed else value


@dataclass(frozen=True)
class Slips:
    """Elements that differ outside of what is open: how many, the largest difference, the first one's flat index."""

    count: int
    step: int
    first: int


def slips(right: OutputTruth, value: torch.Tensor) -> Slips:
    """Count the elements of `value` (as the reference returns it) that are not what the truth says."""
    assert right.exact is not None
    value = integers(right, value)
    differs = right.layout.view(value != right.exact)
    if right.open_RN is not None and right.low_RN is not None and right.high_RN is not None:
        seen = right.layout.view(value)
        differs = differs & ~(right.open_RN & (seen >= right.low_RN) & (seen <= right.high_RN))
    count = int(differs.sum())
    if count == 0:
        return Slips(0, 0, 0)
    at = differs.reshape(-1).nonzero().view(-1)
    a, b = (right.layout.view(t).reshape(-1)[at].to(torch.int64) for t in (value, right.exact))
    return Slips(count, int((a - b).abs().max()), int(at[0]))


def repeats(numbers: torch.Tensor) -> torch.Tensor:
    """Whether a row, along the last axis of [..., L] integers, has one of them twice -> [R]."""
    rows = numbers.reshape(-1, numbers.shape[-1] if numbers.ndim and numbers.numel() else 1)
    return (rows.sort(1).values.diff(dim=1) == 0).any(1)


def names_none(right: OutputTruth, value: torch.Tensor) -> bool:
    """Whether a number of `value`, where these name elements, is that of no element."""
    return bool(right.places and ((value < 0) | (value >= right.places)).any())


def allowed_slips(right: OutputTruth) -> tuple[int, int]:
    """Return how many elements may differ and by how much at most: none where the reference's own runs never do. The
    number is twice the reference's own plus chance: P(N > m + z sqrt(m) + z^2 / 2) is below the judge's probability of
    a false rejection for a Poisson count with mean m, z = deviations(1, inf)."""
    own = max((s.count for s in right.slips), default=0)
    if own == 0:
        return 0, 0
    mean, z = RMS_FACTOR * own, deviations(1, math.inf)
    step = _ANYWHERE if right.places else max(s.step for s in right.slips)
    return math.ceil(mean + z * math.sqrt(mean) + z * z / 2), step
