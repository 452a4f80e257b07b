"""Index arithmetic: which element of a tensor a coordinate (row, column) of the kernel's loop reads.

One `Term` per tensor dimension. A tensor is never transposed, sliced or broadcast in memory: its view is an index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod


class NotRowwise(Exception):
    """The computation is no chain of row-wise steps; the message is one line that says why."""


@dataclass(frozen=True)
class Term:
    """The index `((v // div) % mod) * mul + off`, where v is the row "r", the column "j", or nothing: then `off`."""

    var: str = ""
    div: int = 1
    mod: int = 1
    mul: int = 1
    off: int = 0

    @property
    def plain(self) -> bool:
        return self.mul == 1 and self.off == 0


ZERO = Term()
Index = tuple[Term, ...]


def merge(terms: Sequence[Term]) -> Term:
    """Return the index into the flattened dimensions of `terms` (each plain, its `mod` its dimension's size)."""
    terms = [t for t in terms if t != ZERO]
    if not terms:
        return ZERO
    result = terms[0]
    for term in terms[1:]:
        if result.var != term.var:
            raise NotRowwise("a reshape mixes rows and columns")
        if not (result.plain and term.plain and result.div == term.div * term.mod):
            raise NotRowwise("a reshape of a slice, a transposed or a repeated tensor")
        result = Term(term.var, term.div, result.mod * term.mod)
    return result


def split(term: Term, sizes: Sequence[int]) -> Index:
    """Return the indices into dimensions of `sizes` that together are `term`; sizes of 1 get a constant 0."""
    real = [s for s in sizes if s != 1]
    if len(real) <= 1:
        return tuple(term if s != 1 else ZERO for s in sizes)
    if not term.plain or not term.var:
        raise NotRowwise("a reshape splits a sliced or a repeated dimension")
    result, below = [], 1
    for size in reversed(sizes):
        result.append(Term(term.var, term.div * below, size) if size != 1 else ZERO)
        below *= size
    return tuple(reversed(result))


def reshape(index: Index, new: Sequence[int], old: Sequence[int]) -> Index:
    """Return the index into a tensor of shape `old` for an `index` into its reshape of shape `new`."""
    result: list[Term] = []
    i = o = 0
    while i < len(new) or o < len(old):
        i0, o0, n, m = i, o, 1, 1
        if i < len(new):
            n, i = n * new[i], i + 1
        if o < len(old):
            m, o = m * old[o], o + 1
        while n != m:
            if n < m:
                n, i = n * new[i], i + 1
            else:
                m, o = m * old[o], o + 1
        group, sizes = index[i0:i], old[o0:o]
        result.extend(split(merge(group) if len(group) != 1 else group[0], sizes))
    return tuple(result)


def broadcast(index: Index, shape: Sequence[int]) -> Index:
    """Return the index of an operand of `shape` under torch's broadcasting to a result indexed by `index`."""
    tail = index[len(index) - len(shape) :] if shape else ()
    return tuple(ZERO if size == 1 else term for term, size in zip(tail, shape, strict=True))


def rows_and_columns(shape: Sequence[int], rows: int) -> Index | None:
    """Return the index of a whole tensor of `shape` as `rows` rows, or None when no leading dimensions make them."""
    lead = next((k for k in range(len(shape) + 1) if prod(shape[:k]) == rows), None)
    if lead is None:
        return None
    return span("r", shape[:lead]) + span("j", shape[lead:])


def span(var: str, sizes: Sequence[int]) -> Index:
    """Return the index that runs over dimensions of `sizes` with one flat variable."""
    return split(Term(var, 1, prod(sizes)), sizes) if prod(sizes) != 1 else (ZERO,) * len(sizes)


@dataclass(frozen=True)
class Address:
    """A flat element offset: `off` plus the sum of ((v // div) % mod) * stride over (var, div, mod, stride)."""

    terms: tuple[tuple[str, int, int, int], ...]
    off: int = 0

    def of(self, var: str) -> tuple[tuple[int, int, int], ...]:
        return tuple(t[1:] for t in self.terms if t[0] == var)


def address(index: Index, shape: Sequence[int]) -> Address:
    """Return where a contiguous tensor of `shape` holds the element at `index`, neighbouring terms joined."""
    strides = [prod(shape[d + 1 :]) for d in range(len(shape))]
    off = sum(t.off * s for t, s in zip(index, strides, strict=True))
    joined: list[tuple[str, int, int, int]] = []
    for term, stride in zip(index, strides, strict=True):
        if not term.var or term.mod == 1:
            continue
        step = (term.var, term.div, term.mod, stride * term.mul)
        if joined and joined[-1][0] == term.var:
            _, div, mod, wide = joined[-1]
            if div == term.div * term.mod and wide == step[3] * term.mod:
                joined[-1] = (term.var, term.div, mod * term.mod, step[3])
                continue
        joined.append(step)
    return Address(tuple(joined), off)
