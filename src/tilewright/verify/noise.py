"""Sums over errors, row by row and column by column, in one pass over blocks that fit the cache.

Every output is seen as R rows of N elements: its last axis where that has at least 32 elements, else tiles of 64 of
the flattened output, the last one filled with zeros. Suffixes: `_R` one value per row, `_N` one per column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from . import native
from .rounding import FRACTION_BITS, SMALLEST_EXPONENT, internal_dtype, rounded, truncated, ulp

SHORTEST_ROW = 32
TILE = 64
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Layout:
    """How an output of `shape` is cut into `rows` of `length`; `columns` says whether a column means something (an
    index of the last axis) or only a place in a tile."""

    shape: tuple[int, ...]
    rows: int
    length: int
    columns: bool

    @staticmethod
    def of(shape: tuple[int, ...]) -> Layout:
        count = math.prod(shape)
        if shape and shape[-1] >= SHORTEST_ROW:
            return Layout(shape, count // shape[-1], shape[-1], len(shape) > 1)
        return Layout(shape, -(-count // TILE), min(TILE, max(1, count)), False)

    def view(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor as [R, N], padded with zeros where tiles need it."""
        flat = tensor.reshape(-1)
        missing = self.rows * self.length - flat.numel()
        if missing:
            flat = torch.nn.functional.pad(flat, (0, missing))
        return flat.view(self.rows, self.length)

    def counts(self) -> torch.Tensor:
        """Elements per row [R]; only the last tile may have fewer."""
        count_R = torch.full((self.rows,), float(self.length), dtype=torch.float64)
        if self.rows:
            count_R[-1] -= self.rows * self.length - math.prod(self.shape)
        return count_R

    def where(self, row: int, column: int | None = None) -> str:
        """Name a place of the output as a user would."""
        if not self.columns and self.length == TILE:
            return f"tile {row}" if column is None else f"flat index {row * self.length + column}"
        if len(self.shape) < 2:
            return "the output" if column is None else f"index {column}"
        index, rest = [], row
        for size in reversed(self.shape[:-1]):
            index.append(rest % size)
            rest //= size
        text = ", ".join(str(i) for i in reversed(index))
        return f"row {text}" if column is None else f"[{text}, {column}]"


def blocks(rows: int, length: int) -> Iterator[slice]:
    step = max(1, _BLOCK // max(1, length))
    return (slice(start, min(rows, start + step)) for start in range(0, rows, step))


@dataclass
class Sums:
    """Of an error e against a truth y: sum of e^2, largest |e|, and sum of e*y per row; sum of e*y per column."""

    square_R: torch.Tensor
    peak_R: torch.Tensor
    along_R: torch.Tensor
    along_N: torch.Tensor


def sums(error: Callable[[slice], torch.Tensor], truth: torch.Tensor) -> Sums:
    """Sum up `error(rows) -> [r, N]` float64 against `truth` [R, N] float64."""
    rows, length = truth.shape
    square_R, peak_R, along_R = (torch.zeros(rows, dtype=torch.float64) for _ in range(3))
    along_N = torch.zeros(length, dtype=torch.float64)
    for part in blocks(rows, length):
        e = error(part)
        product = e * truth[part]
        along_R[part] = product.sum(1)
        along_N += product.sum(0)
        square_R[part] = torch.mul(e, e, out=product).sum(1)
        peak_R[part] = torch.maximum(e.amax(1), -e.amin(1))
    return Sums(square_R, peak_R, along_R, along_N)


@dataclass
class Grid:
    """What rounding `truth` to `dtype` does: rho is the error of correct rounding, floor2 = u^2/12 its expected
    square (u = the spacing), weighted = sum of floor2*y^2, cut the error of truncation; `distinct_R` counts runs of
    different values in a row (roundings of equal values are one rounding, not many). The last `rounded_runs` of the
    reference's runs round every intermediate to the working dtype."""

    dtype: torch.dtype
    internal: torch.dtype
    count_R: torch.Tensor
    distinct_R: torch.Tensor
    square_R: torch.Tensor
    square_N: torch.Tensor
    rho2_R: torch.Tensor
    rho_peak_R: torch.Tensor
    floor2_R: torch.Tensor
    weighted_R: torch.Tensor
    weighted_N: torch.Tensor
    rho_along_R: torch.Tensor
    rho_along_N: torch.Tensor
    cut_along_R: torch.Tensor
    cut_along_N: torch.Tensor
    rounded_runs: int = 0


def grid_of(truth: torch.Tensor, dtype: torch.dtype, count_R: torch.Tensor) -> Grid:
    """Make the grid of `truth` [R, N] (float64) for outputs of `dtype`."""
    unit = 2.0 ** -FRACTION_BITS[dtype]
    r_n = native.rounding_grid(truth, dtype, 2.0 ** SMALLEST_EXPONENT[dtype], unit)
    by_row, by_column = r_n if r_n is not None else plain_grid(truth, dtype)
    distinct, square, rho2, rho_peak, floor2, weighted, rho_along, cut_along = by_row
    square_N, weighted_N, rho_along_N, cut_along_N = by_column
    return Grid(
        dtype, internal_dtype(dtype), count_R, distinct, square, square_N, rho2, rho_peak, floor2, weighted, weighted_N,
        rho_along, rho_along_N, cut_along, cut_along_N,
    )  # fmt: skip


def plain_grid(truth: torch.Tensor, dtype: torch.dtype) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The sums of a grid by row and by column, in the order of native.rounding_grid, by torch alone."""
    rows, length = truth.shape
    names_R = ("distinct", "square", "rho2", "rho_peak", "floor2", "weighted", "rho_along", "cut_along")
    r = {name: torch.zeros(rows, dtype=torch.float64) for name in names_R}
    n = {name: torch.zeros(length, dtype=torch.float64) for name in ("square", "weighted", "rho_along", "cut_along")}
    for part in blocks(rows, length):
        y = truth[part]
        near = rounded(y, dtype)
        rho, y2 = near - y, y * y
        rho2 = rho * rho
        floor2 = ulp(y, dtype).square_().mul_(1 / 12)
        r["distinct"][part] = 1.0 + (near[:, 1:] != near[:, :-1]).sum(1)
        r["square"][part], r["rho2"][part], r["floor2"][part] = y2.sum(1), rho2.sum(1), floor2.sum(1)
        r["rho_peak"][part] = rho.abs().amax(1)
        n["square"] += y2.sum(0)
        for name, terms in (("weighted", floor2.mul_(y2)), ("rho_along", rho.mul_(y))):
            r[name][part] = terms.sum(1)
            n[name] += terms.sum(0)
        if dtype == torch.bfloat16:  # the one dtype that a back end is known to truncate to
            cut = (truncated(y, dtype) - y).mul_(y)
            r["cut_along"][part] = cut.sum(1)
            n["cut_along"] += cut.sum(0)
    return list(r.values()), list(n.values())
