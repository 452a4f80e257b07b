"""Families of inputs: the problem's own inputs, changed so that each kind of mistake has somewhere to show.

A family here keeps shapes, dtypes, integers and the domain: inputs that are never negative stay so, rows that sum to
one are left alone, masks (booleans, and floats of zeros and infinities) too. Weights that are vectors keep their random
values. Special values are in special.py. Whether the truth of a family is finite is the caller's to see
(`skip_reason`), since only the truth tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from ..problem import Inputs, Problem, Workload
from .discrete import DISCRETE, discrete
from .domain import activations, domain
from .special import SPECIAL, Draw, special
from .truth import Truth

# Rows of a mixed batch repeat in this order; a kind that the domain forbids is replaced by the row as drawn.
MIXED = ("normal", "scaled", "constant_rows", "heavy_tail", "small", "shifted", "structured", "cancellation")

Change = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def _normal(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    return x


def _scaled(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    return 10.0 * x


def _small(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """A thousandth: where an epsilon counts, and where an absolute tolerance would hide everything."""
    return x * 1e-3


def _shifted(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    return x + 5.0


def _heavy_tail(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """Divide by the root of a uniform number: Student-like tails with few elements up to a hundred times the rest."""
    return x / torch.rand(x.shape, generator=g).clamp(min=1e-4).sqrt()


def _structured(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """A ramp of random slope in every row, in place of independent draws; its mean and spread are kept."""
    ramp = torch.linspace(-1.7, 1.7, x.shape[-1]).expand(x.shape)
    slope = 0.5 + torch.rand((*x.shape[:-1], 1), generator=g)
    flip = torch.where(torch.rand((*x.shape[:-1], 1), generator=g) < 0.5, -1.0, 1.0)
    return x.mean() + x.std(correction=0) * slope * flip * ramp


def _constant_rows(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    return x[..., :1].expand(x.shape).clone()


def _positive(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """All of one sign, so that sums grow with their length: narrow accumulators stop growing."""
    return x.abs() + 0.5


def _negative(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """All below zero: maxima are, too, and what is largest has the smallest magnitude."""
    return -x.abs() - 0.5


def _cancellation(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """Neighbours that nearly cancel: sums along the row are far smaller than their terms. In a product of two such
    matrices the large terms meet along the reduced axis."""
    y = 30.0 * x
    pairs = x.shape[-1] // 2 * 2
    y[..., 1:pairs:2] = -y[..., 0:pairs:2] + x[..., 1:pairs:2]
    return y


FAMILIES: dict[str, Change] = {
    "normal": _normal,
    "mixed": _normal,
    "cancellation": _cancellation,
    "positive": _positive,
    "negative": _negative,
    "scaled": _scaled,
    "small": _small,
    "shifted": _shifted,
    "heavy_tail": _heavy_tail,
    "structured": _structured,
    "constant_rows": _constant_rows,
    "strided": _normal,
}
EVERY = (*FAMILIES, *SPECIAL, *DISCRETE)
KEEP_SIGN = {"normal", "scaled", "small", "shifted", "heavy_tail", "constant_rows", "positive", "strided", "mixed"}


def draw(problem: Problem, workload: Workload, family: str, seed: int) -> Draw:
    """Return the inputs of `family` for `workload`, drawn from `seed`; KeyError names the families there are."""
    if family not in EVERY:
        raise KeyError(f"there is no input family {family!r}; there are {', '.join(EVERY)}")
    drawn = problem.make_inputs(workload, seed)
    if family == "normal":
        return Draw(drawn)
    if family in SPECIAL:
        return special(family, drawn, seed)
    if family in DISCRETE:
        return discrete(family, drawn, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    chosen = activations(drawn)
    if family == "strided":
        spread = [p for p in chosen if drawn.tensors()[p].ndim >= 2]
        if not spread:
            return Draw(None, "no input has rows to spread out")
        return Draw(drawn.map(lambda p, t: _strided(t, seed) if p in spread else t))
    kinds = {p: domain(drawn.tensors()[p]) for p in chosen}
    free = [p for p in chosen if kinds[p] == "any" or (kinds[p] == "positive" and family in KEEP_SIGN)]
    if not free:
        return Draw(None, f"the inputs' domain leaves no room for {family}")
    partner = free[1:] if family == "cancellation" else []

    def change(path: str, t: torch.Tensor) -> torch.Tensor:
        if path not in free:
            return t
        if family == "mixed":
            return _mixed(t, generator, kinds[path], seed)
        # One factor cancels; the other is nearly constant, so that the large terms meet whatever axis is reduced.
        if path in partner:
            return (1.0 + t.float() / 8).to(t.dtype)
        return (
            FAMILIES[family](t.float(), generator).to(t.dtype)
            if t.dtype != torch.float64
            else _wide(family, t, generator)
        )

    # The state is handed on as the very same object, so that a child does not load equal weights twice.
    return Draw(replace(drawn.map(change), state=drawn.state, init=drawn.init))


def family_inputs(problem: Problem, workload: Workload, family: str, seed: int) -> Inputs | None:
    """Return the inputs of `family`, or None where it makes no sense for this problem's inputs."""
    return draw(problem, workload, family, seed).inputs


def skip_reason(family: str, truth: Truth, normal_is_finite: bool) -> str:
    """Return why a family must not be judged, or "": its truth left the numbers where the normal family has not."""
    if truth.finite or not normal_is_finite:
        return ""
    return f"the reference is not finite on {family} inputs"


def _wide(family: str, t: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return FAMILIES[family](t.clone(), generator).double()


def _mixed(t: torch.Tensor, generator: torch.Generator, kind: str, seed: int) -> torch.Tensor:
    """Give every row of a batch its own kind, in a random order that tensors with equally many rows share: what is
    added up row by row (a residual) is then of one kind. The first row and the last stay as they were drawn: who looks
    at these alone finds nothing strange."""
    wide = t.double() if t.dtype == torch.float64 else t.float()
    rows = wide.reshape(-1, wide.shape[-1]).clone()
    order = _with_calm_ends(torch.randperm(rows.shape[0], generator=torch.Generator().manual_seed(seed + 2)))
    for index, name in enumerate(MIXED):
        if kind == "positive" and name not in KEEP_SIGN:
            continue
        at = order[index :: len(MIXED)]
        if len(at):
            change = FAMILIES[name]
            rows[at] = change(rows[at].clone(), generator).to(rows.dtype)
    return rows.view(wide.shape).to(t.dtype)


def _with_calm_ends(order: torch.Tensor) -> torch.Tensor:
    """The same order of rows, but with the first and the last row at places of the first kind."""
    last = len(order) - 1
    for row, place in ((0, 0), (last, len(MIXED))):
        if place <= last:
            at = int((order == row).nonzero())
            order[at], order[place] = int(order[place]), row
    return order


def _strided(t: torch.Tensor, seed: int) -> torch.Tensor:
    """The same values in memory with gaps: rows cut from wider rows, or columns stored first."""
    if seed % 2 == 0:
        return t.transpose(-1, -2).contiguous().transpose(-1, -2)
    wide = torch.zeros((*t.shape[:-1], t.shape[-1] + 8), dtype=t.dtype, device=t.device)
    wide[..., : t.shape[-1]] = t
    return wide[..., : t.shape[-1]]
