"""Grids of floating-point numbers: the spacing at a value, rounding to a dtype, and the classes of non-finite values.

Everything takes float64 tensors of any shape and returns tensors of that shape. Dtypes are those of outputs (float16,
bfloat16, float32, float64, and the four formats of float8).
"""

from __future__ import annotations

import torch

FRACTION_BITS = {
    torch.float16: 10, torch.bfloat16: 7, torch.float32: 23, torch.float64: 52, torch.float8_e4m3fn: 3,
    torch.float8_e5m2: 2, torch.float8_e4m3fnuz: 3, torch.float8_e5m2fnuz: 2,
}  # fmt: skip
SMALLEST_EXPONENT = {
    torch.float16: -14, torch.bfloat16: -126, torch.float32: -126, torch.float64: -1022, torch.float8_e4m3fn: -6,
    torch.float8_e5m2: -14, torch.float8_e4m3fnuz: -7, torch.float8_e5m2fnuz: -15,
}  # fmt: skip
# Dtypes that hold results and do no arithmetic: what is computed before a cast to them is what is judged.
STORED_ONLY = (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz)

FINITE, NAN, PLUS_INF, MINUS_INF = 0, 1, 2, 3
FREE = 4  # beside these: a value that nothing is asked of


def ulp(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the spacing of `dtype` at `value` (float64); zero and subnormals have the spacing of the subnormals."""
    exponent_bits = value.view(torch.int64) & 0x7FF0000000000000
    power = exponent_bits.view(torch.float64)
    return power.clamp(2.0 ** SMALLEST_EXPONENT[dtype], 1e300).mul_(2.0 ** -FRACTION_BITS[dtype])


def rounded(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return `value` rounded to nearest in `dtype`, as float64."""
    return value.to(dtype).double()


def truncated(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return `value` cut towards zero in `dtype`, as float64."""
    near = rounded(value, dtype)
    return torch.where(near.abs() > value.abs(), near - ulp(value, dtype).copysign(value), near)


def classes(value: torch.Tensor) -> torch.Tensor:
    """Return FINITE, NAN, PLUS_INF or MINUS_INF per element (uint8)."""
    code = torch.zeros(value.shape, dtype=torch.uint8, device=value.device)
    code[torch.isnan(value)] = NAN
    code[value == float("inf")] = PLUS_INF
    code[value == float("-inf")] = MINUS_INF
    return code


def internal_dtype(working: torch.dtype) -> torch.dtype:
    """The dtype in which an honest kernel computes when its data is `working`: float32, or float64 for float64."""
    return torch.float64 if working == torch.float64 else torch.float32
