"""Matrix products of every format that a GPU may have, as PyTorch calls its libraries for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

Call = Callable[[], object]

WIDTHS = {"bfloat16": 2, "float16": 2, "tf32": 4, "float32": 4, "float64": 8, "float8": 1, "int8": 1}  # bytes


def operands(name: str, m: int, n: int, k: int) -> tuple[Any, Any, Any]:
    """Random x [m, k] and w [n, k], and room for the product [m, n]."""
    import torch

    if name == "int8":
        x, w = (torch.randint(-128, 128, (rows, k), dtype=torch.int8, device="cuda") for rows in (m, n))
        return x, w, torch.empty(m, n, dtype=torch.int32, device="cuda")
    dtype = {"tf32": torch.float32, "float8": torch.bfloat16}.get(name) or getattr(torch, name)
    x, w = (torch.randn(rows, k, device="cuda", dtype=dtype) for rows in (m, n))
    if name == "float8":
        x, w = x.to(torch.float8_e4m3fn), w.to(torch.float8_e4m3fn)
    return x, w, torch.empty(m, n, dtype=dtype, device="cuda")


def product(name: str, x: Any, w: Any, out: Any) -> Call:
    import torch

    if name == "int8":
        return partial(torch._int_mm, x, w.t(), out=out)
    if name == "float8":
        one = torch.ones((), device="cuda")
        scales: dict[str, Any] = {"scale_a": one, "scale_b": one}
        return partial(torch._scaled_mm, x, w.t(), **scales, out_dtype=out.dtype, use_fast_accum=True, out=out)
    return partial(torch.mm, x, w.t(), out=out)


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Let float32 products run in `precision` ("ieee" or "tf32"), and give the caller's setting back."""
    import torch

    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = precision
    try:
        yield
    finally:
        matmul.fp32_precision = before
