"""One output's truth, and the error of any value against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from . import native
from .limits import Limits, limits_for
from .noise import Grid, Layout, Sums, sums
from .rounding import FINITE, FREE, NAN, classes, rounded

# Invariants that say that integer outputs hold two four-bit numbers per byte.
PACKED = ("packed_int4", "packed_uint4")
_CONTAINERS = (torch.uint8, torch.int8, torch.int32)


@dataclass
class OutputTruth:
    """One output. `value_RN` is float64 as rows (zero where not finite or not judged), `dtype` what the reference
    returns at the working dtype, `codes` its non-finite classes (FREE where nothing is asked) or None, `exact` integer
    or bool values, `open_RN` marks elements beside a jump of the reference, whose value must lie between `low_RN` and
    `high_RN`. `shape` is that of the output; where it holds `packed` numbers, `exact` and `layout` are of the numbers
    in it, and `stored` is the output itself. `slips` are of the reference's own runs. A `random` output has a
    distribution and no values. `nan_too` marks where NaN is right as well. `distinct`: no row has an integer twice;
    `places`: where not zero, integers name one of so many elements, and how far two lie apart says nothing.
    `unrounded` says that every bit is determined (jumps.py)."""

    name: str
    layout: Layout
    dtype: torch.dtype
    value_RN: torch.Tensor | None = None
    exact: torch.Tensor | None = None
    codes: torch.Tensor | None = None
    grid: Grid | None = None
    runs: list[Sums] = field(default_factory=list)
    rounded_runs: int = 0
    open_RN: torch.Tensor | None = None
    low_RN: torch.Tensor | None = None
    high_RN: torch.Tensor | None = None
    shape: tuple[int, ...] = ()
    packed: str = ""
    stored: torch.Tensor | None = None
    slips: list[Any] = field(default_factory=list)
    random: bool = False
    nan_too: torch.Tensor | None = None
    distinct: bool = False
    places: int = 0
    unrounded: bool = False
    _limits: dict[bool, Limits] = field(default_factory=dict, repr=False)

    def limits(self, truncating: bool = False) -> Limits:
        truncating = truncating and self.dtype == torch.bfloat16
        if truncating not in self._limits:
            assert self.grid is not None
            self._limits[truncating] = limits_for(self.grid, self.runs, truncating)
        return self._limits[truncating]

    def other_kind(self, value: torch.Tensor) -> torch.Tensor:
        """Mark where `value`, of this output's shape, is a number, NaN or an infinity where another of these is due."""
        got = classes(value.double())
        if self.codes is None:
            return got != FINITE
        differs = (got != self.codes) & (self.codes != FREE)
        return differs if self.nan_too is None else differs & ~(self.nan_too & (got == NAN))

    @property
    def nbytes(self) -> int:
        held = (
            self.value_RN,
            self.exact,
            self.codes,
            self.open_RN,
            self.low_RN,
            self.high_RN,
            self.stored,
            self.nan_too,
        )
        return sum(t.numel() * t.element_size() for t in held if t is not None)


def begin(name: str, value: torch.Tensor, dtype: torch.dtype, packed: str = "") -> OutputTruth:
    shape = tuple(value.shape)
    layout = Layout.of(shape)
    if packed and dtype in _CONTAINERS and shape:
        numbers = unpacked(value.detach(), packed)
        layout = Layout.of(tuple(numbers.shape))
        return OutputTruth(
            name, layout, dtype, exact=numbers, shape=shape, packed=packed, stored=value.detach().clone()
        )
    if not dtype.is_floating_point:
        return OutputTruth(name, layout, dtype, exact=value.detach().clone(), shape=shape)
    value = value.detach().double()
    codes = None
    if not bool(torch.isfinite(value.sum())) or float(_largest(value)) > torch.finfo(dtype).max:
        codes = classes(rounded(value, dtype))
        codes = codes if bool(codes.any()) else None
    if codes is not None:
        value = torch.where(codes == FINITE, value, 0.0)
    return OutputTruth(name, layout, dtype, value_RN=layout.view(value), codes=codes, shape=shape)


def unpacked(value: torch.Tensor, packed: str) -> torch.Tensor:
    """Return the four-bit numbers of `value` [..., N] as int8 [..., 2 N * itemsize], the low half of a byte first."""
    data = value.contiguous().view(torch.uint8)
    numbers = torch.stack((data & 15, data >> 4), -1).flatten(-2).to(torch.int8)
    return torch.bitwise_xor(numbers, 8) - 8 if packed == "packed_int4" else numbers


def as_numbers(value: torch.Tensor) -> torch.Tensor:
    """Return complex numbers [..., N] as real ones [..., 2 N], real and imaginary part in turn; others as they are."""
    if not value.is_complex():
        return value
    return torch.view_as_real(value.resolve_conj().resolve_neg()).flatten(-2)


def same_values(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors hold the same values, in any dtype, NaN being equal to zero and zeros of both signs alike."""
    a, b = (as_numbers(t.detach()) for t in (a, b))
    a, b = (t.double() if t.is_floating_point() else t for t in (a, b))
    return bool(torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)))


def _largest(value: torch.Tensor) -> torch.Tensor:
    return torch.maximum(value.amax(), -value.amin()) if value.numel() else torch.zeros(())


def error_sums(truth: OutputTruth, value_RN: torch.Tensor) -> Sums:
    """Sum up the error of `value_RN` against the truth."""
    assert truth.value_RN is not None
    codes_RN = None if truth.codes is None else truth.layout.view(truth.codes)
    fast = native.error_sums(value_RN, truth.value_RN, codes_RN, truth.open_RN)
    return Sums(*fast) if fast is not None else sums(error_of(truth, value_RN), truth.value_RN)


def error_of(truth: OutputTruth, value_RN: torch.Tensor) -> Callable[[slice | torch.Tensor], torch.Tensor]:
    """Return rows (a slice, or their numbers) -> error of `value_RN` in float64, zero wherever nothing is judged."""
    assert truth.value_RN is not None
    right_RN, codes_RN = truth.value_RN, None if truth.codes is None else truth.layout.view(truth.codes)

    def error(part: slice | torch.Tensor) -> torch.Tensor:
        e = value_RN[part].double() - right_RN[part]
        if codes_RN is not None:
            e = torch.where(codes_RN[part] == FINITE, e, 0.0)
        if truth.open_RN is not None:
            e = e.masked_fill(truth.open_RN[part], 0.0)
        return torch.nan_to_num_(e, nan=0.0, posinf=0.0, neginf=0.0) if codes_RN is not None else e

    return error
