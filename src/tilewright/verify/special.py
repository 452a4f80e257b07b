"""Families of special values, which random numbers never hit: NaN and infinities, ties of rounding, rows of zeros,
magnitudes beyond 2^22, and the sign that a problem never draws.

They keep shapes, dtypes, indices, labels, masks and probabilities. Whether a reference has an answer for them is the
truth's to say: a family is skipped where it has none (`families.skip_reason`), and of NaN and infinities only those are
asked for that every evaluation of the reference agrees on (undetermined.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from ..problem import Inputs
from .domain import activations, domain

# Families and what they are for, in one line each.
SPECIAL = {
    "non_finite": "NaN and infinities, in single elements and in whole rows",
    "ties": "multiples of an eighth, and rows of zeros",
    "zeros": "nothing but zeros",
    "large": "rows around 2^10, and from 2^18 to 2^23; whole numbers stay whole",
    "signed": "inputs that are never negative, with a random sign",
}
_KINDS = (float("nan"), float("inf"), float("-inf"))
_FEWEST_ROWS = 16  # with fewer, whole rows would leave little of a batch
# float32 has no halves from 2^23 on, and no quarters from 2^22; a product in front of a rounding moves this border.
_EXPONENTS, _NARROW = (18, 19, 20, 21, 22, 23), (10, 11, 12)
_FARTHEST = 4096  # integers that a sum of products over any usual length still holds in 32 bits
_NEGATIVE = 1 / 16  # share of negative entries from which on integers are no indices, lengths or labels

Change = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Draw:
    """The inputs of a family, or the reason why this problem has none. `numbers` are the same inputs with other numbers
    in place of every NaN, to find out what depends on these."""

    inputs: Inputs | None
    reason: str = ""
    numbers: tuple[Inputs, ...] = ()


def special(family: str, drawn: Inputs, seed: int) -> Draw:
    """Return the inputs of `family` made from what the problem draws."""
    kinds = {p: domain(drawn.tensors()[p]) for p in activations(drawn)}
    if family == "signed":
        kinds = {p: k for p, k in kinds.items() if k == "positive"}
    free = [p for p, k in kinds.items() if k != "fixed"]
    values = [p for p, t in drawn.tensors().items() if family == "large" and _are_values(p, t)]
    if not free and not values:
        return Draw(None, f"the inputs' domain leaves no room for {family}")
    generator = torch.Generator().manual_seed(seed + 1)
    if family == "non_finite":
        return _non_finite(drawn, free, generator, seed)
    changes: dict[str, Change] = {
        "ties": lambda t: _ties(t, seed),
        "zeros": torch.zeros_like,
        "large": lambda t: _large(t, seed),
        "signed": lambda t: torch.where(torch.rand(t.shape, generator=generator) < 0.5, t, -t),
    }
    made = drawn.map(lambda p, t: changes[family](t) if p in free else _far(t) if p in values else t)
    return Draw(_with_state_of(made, drawn))


def _with_state_of(made: Inputs, drawn: Inputs) -> Inputs:
    """The state is handed on as the very same object, so that a child does not load equal weights twice."""
    return replace(made, state=drawn.state, init=drawn.init)


def _order(rows: int, seed: int) -> torch.Tensor:
    """Rows in a random order, which tensors with equally many rows share."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(seed + 2))


def _rows(t: torch.Tensor) -> torch.Tensor:
    return t.reshape(-1, t.shape[-1]).clone(memory_format=torch.contiguous_format)


def _non_finite(drawn: Inputs, free: Sequence[str], generator: torch.Generator, seed: int) -> Draw:
    """The first tensor has single elements and whole rows of each kind, all others one element of each."""
    made: dict[str, torch.Tensor] = {}
    for path in free:
        t = drawn.tensors()[path]
        rows = _rows(t)
        few = path != free[0] or rows.shape[0] < _FEWEST_ROWS
        made[path] = (_elements(rows, generator) if few else _by_row(rows, generator, seed)).view(t.shape)
    inputs = _with_state_of(drawn.map(lambda p, t: made.get(p, t)), drawn)
    numbers = tuple(
        _with_state_of(drawn.map(lambda p, t, n=n: _instead(t, made[p], n) if p in made else t), drawn)  # type: ignore[misc]
        for n in range(3)
    )
    return Draw(inputs, "", numbers)


def _elements(rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    at = torch.randperm(rows.numel(), generator=generator)[: len(_KINDS)]
    rows.view(-1)[at] = torch.tensor(_KINDS[: len(at)], dtype=rows.dtype)
    return rows


def _by_row(rows: torch.Tensor, generator: torch.Generator, seed: int) -> torch.Tensor:
    order, each = _order(rows.shape[0], seed), max(1, rows.shape[0] // 32)
    columns = torch.randint(0, rows.shape[1], (rows.shape[0],), generator=generator)
    for index, value in enumerate(_KINDS):
        single, whole = order[2 * index * each :][:each], order[(2 * index + 1) * each :][:each]
        rows[single, columns[single]] = value
        rows[whole] = value
    return rows


def _instead(drawn: torch.Tensor, made: torch.Tensor, number: int) -> torch.Tensor:
    """`made` with numbers in place of NaN: what was drawn, one above and one below all others."""
    far = 8 * drawn.abs().max() + 1
    other = (drawn, far.expand(drawn.shape), (-far).expand(drawn.shape))[number]
    return torch.where(made.isnan(), other.to(made.dtype), made)


def _ties(t: torch.Tensor, seed: int) -> torch.Tensor:
    """Multiples of an eighth hold the ties of rounding to ones, halves and quarters; every fourth row is zero."""
    wide = t.double()
    spread = float(wide.square().mean().sqrt())
    rows = _rows((8 * (wide / spread if 0 < spread < 0.5 else wide)).round() / 8)
    if rows.shape[0] > 1:
        rows[_order(rows.shape[0], seed)[::4]] = 0.0
    return rows.view(t.shape).to(t.dtype)


def _large(t: torch.Tensor, seed: int) -> torch.Tensor:
    """Half of the rows as drawn, times 2^10; of the others each lies just above a power of two, whatever the sign."""
    wide = torch.finfo(t.dtype).max > 2.0 ** _EXPONENTS[-1]
    rows = _rows(t.double())
    order = _order(rows.shape[0], seed)
    near, far = order[::2], order[1::2]
    powers = 2.0 ** torch.tensor(_EXPONENTS if wide else _NARROW, dtype=torch.float64)
    power = powers.repeat(len(far))[: len(far), None]
    if bool((rows == rows.round()).all()):
        # Added, not multiplied: neighbours stay neighbours, and differ in the last of many bits.
        rows[near] += 4 * 2.0 ** _NARROW[0]
        rows[far] += power
    else:
        rows[near] *= 2.0 ** _NARROW[0]
        rows[far] = power * (1 + rows[far].abs() / 8) * torch.where(rows[far] < 0, -1.0, 1.0)
    return rows.view(t.shape).to(t.dtype)


def _are_values(path: str, t: torch.Tensor) -> bool:
    """Whether a tensor of integers holds values, not places: many are negative."""
    if t.dtype not in (torch.int16, torch.int32, torch.int64) or not path.startswith("args.") or not t.numel():
        return False
    return float((t < 0).float().mean()) >= _NEGATIVE and int(t.abs().max()) < _FARTHEST


def _far(t: torch.Tensor) -> torch.Tensor:
    return t * (_FARTHEST // max(1, int(t.abs().max())))
