"""The judge's C++ loops give what its torch loops give."""

from __future__ import annotations

import pytest
import torch

from tilewright.verify import native, noise
from tilewright.verify.rounding import FRACTION_BITS, SMALLEST_EXPONENT

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
# Sums in another order differ by a few float64 roundings per element, and by nothing else.
CLOSE = 1e4 * torch.finfo(torch.float64).eps


def near(a: torch.Tensor, b: torch.Tensor, scale: torch.Tensor) -> bool:
    return bool(((a - b).abs() <= CLOSE * scale.abs().max().clamp(min=1e-290)).all())


def truth_of(rows: int, length: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rows * 1000 + length)
    y = torch.randn(rows, length, dtype=torch.float64, generator=generator)
    y *= torch.logspace(-6, 3, rows, dtype=torch.float64)[:, None]
    y[:, :1] = 0.0
    return y


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 64), (17, 1000), (40, 33)])
def test_error_sums(dtype, shape):
    y = truth_of(*shape)
    value = (y * 1.001).to(dtype)
    found = native.error_sums(value, y, None, None)
    assert found is not None, "this machine has no C++ compiler"
    plain = noise.sums(lambda part: value[part].double() - y[part], y)
    wanted = (plain.square_R, plain.peak_R, plain.along_R, plain.along_N)
    assert all(near(a, b, b) for a, b in zip(found, wanted, strict=True))


def test_what_is_not_judged_is_left_out():
    y, codes = truth_of(8, 100), torch.zeros(8, 100, dtype=torch.uint8)
    open_ = torch.zeros(8, 100, dtype=torch.bool)
    codes[1, 3], open_[2, 4] = 1, True
    value = y.float()
    value[1, 3], value[2, 4] = float("nan"), 1e9
    found = native.error_sums(value, y, codes, open_)
    assert found is not None
    clean = value.clone()
    clean[1, 3], clean[2, 4] = y[1, 3], y[2, 4]
    error = clean.double() - y
    error[1, 3] = error[2, 4] = 0
    assert near(found[0], (error**2).sum(1), error**2) and torch.isfinite(found[0]).all()


def test_a_nan_in_an_error_is_not_lost():
    y = truth_of(4, 64)
    value = y.float()
    value[2, 7] = float("nan")
    found = native.error_sums(value, y, None, None)
    assert found is not None and torch.isnan(found[0][2]) and torch.isnan(found[1][2]) and found[1][1] < 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_rounding_grid(dtype):
    y = truth_of(37, 200)
    y[5] = y[5, 0]
    found = native.rounding_grid(y, dtype, 2.0 ** SMALLEST_EXPONENT[dtype], 2.0 ** -FRACTION_BITS[dtype])
    assert found is not None, "this machine has no C++ compiler"
    for fast, plain in zip(found, noise.plain_grid(y, dtype), strict=True):
        assert all(near(a, b, b) for a, b in zip(fast, plain, strict=True))
