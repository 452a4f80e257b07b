"""Wrong and honest gemm(a, b, bias, activation)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from wrong_implementations import Implementation, tf32

Tensor = torch.Tensor

ACTIVATION = {
    None: lambda y: y,
    "none": lambda y: y,
    "relu": torch.relu,
    "gelu": functional.gelu,
    "silu": functional.silu,
}


def gemm_with(
    product: Callable[[Tensor, Tensor], Tensor], activate: Callable[..., Tensor] | None = None
) -> Callable[..., Tensor]:
    """gemm whose float32 product is `product(a, b)`; `activate(y, bias, activation)` finishes it."""

    def run(a: Tensor, b: Tensor, bias: Tensor | None, activation: str | None) -> Tensor:
        y = product(a.float(), b.float())
        wide = None if bias is None else bias.float()
        if activate:
            return activate(y, wide, activation).to(a.dtype)
        return ACTIVATION[activation](y if wide is None else y + wide).to(a.dtype)

    return run


def split_k(a: Tensor, b: Tensor, parts: int) -> Tensor:
    chunk = -(-a.shape[-1] // parts)
    return sum(p @ q for p, q in zip(a.split(chunk, -1), b.split(chunk, 0), strict=True))


def accumulate(a: Tensor, b: Tensor, step: int, dtype: torch.dtype) -> Tensor:
    """Sum products of `step` terms of K one after the other in `dtype`."""
    y = torch.zeros(a.shape[0], b.shape[1], dtype=dtype)
    for p, q in zip(a.split(step, -1), b.split(step, 0), strict=True):
        y = (y.float() + p @ q).to(dtype)
    return y.float()


def one_block_twice(a: Tensor, b: Tensor) -> Tensor:
    return a @ b + a[:, :16] @ b[:16]


def in_16_bits(product: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return gemm_with(lambda a, b: product(a, b).bfloat16().float())


WRONG = [
    Implementation(
        "K tail dropped", gemm_with(lambda a, b: a[:, : a.shape[1] // 16 * 16] @ b[: a.shape[1] // 16 * 16])
    ),
    Implementation("K tail unmasked", gemm_with(lambda a, b: a @ b + a.roll(-1, 0)[:, :4] @ b[:4])),
    Implementation("one K block twice", gemm_with(one_block_twice)),
    Implementation("last K element dropped", gemm_with(lambda a, b: a[:, :-1] @ b[:-1])),
    Implementation("bias missing", gemm_with(torch.matmul, lambda y, bias, act: ACTIVATION[act](y))),
    Implementation("bias twice", gemm_with(torch.matmul, lambda y, bias, act: ACTIVATION[act](y + 2 * bias))),
    Implementation(
        "bias along rows", gemm_with(torch.matmul, lambda y, bias, act: ACTIVATION[act](y + bias[: y.shape[0], None]))
    ),
    Implementation("activation before bias", gemm_with(torch.matmul, lambda y, bias, act: ACTIVATION[act](y) + bias)),
    Implementation("activation missing", gemm_with(torch.matmul, lambda y, bias, act: y + bias)),
    Implementation(
        "tf32 products",
        gemm_with(lambda a, b: tf32(a) @ tf32(b)),
        ("float32",),
        "tf32 holds every float16 and bfloat16 value",
    ),
    Implementation(
        "bfloat16 products",
        gemm_with(lambda a, b: a.bfloat16().float() @ b.bfloat16().float()),
        ("float32", "float16"),
        "a bfloat16 operand already is rounded",
    ),
    Implementation("reduced-precision accumulation", gemm_with(lambda a, b: accumulate(a, b, 16, torch.bfloat16))),
    Implementation(
        "float16 accumulation",
        gemm_with(lambda a, b: accumulate(a, b, 8, torch.float16)),
        ("float32", "float16"),
        "float16 keeps three bits more than bfloat16 outputs show",
    ),
    Implementation(
        "a transposed b", gemm_with(lambda a, b: a @ b.mT if b.shape[0] == b.shape[1] else a.flip(1) @ b.flip(0) * 0.0)
    ),
    Implementation("alpha 1.01", gemm_with(lambda a, b: 1.01 * (a @ b))),
    Implementation(
        "tanh gelu",
        gemm_with(torch.matmul, lambda y, bias, act: functional.gelu(y + bias, approximate="tanh")),
        ("float32", "float16"),
        "the two differ by less than a unit of bfloat16",
    ),
    Implementation("relu instead", gemm_with(torch.matmul, lambda y, bias, act: torch.relu(y + bias))),
    Implementation(
        "last tile of rows not written",
        gemm_with(lambda a, b: torch.cat([a[: a.shape[0] // 16 * 16] @ b, torch.zeros(a.shape[0] % 16, b.shape[1])])),
    ),
    Implementation("float16 saturates", gemm_with(lambda a, b: (a @ b).clamp(-4, 4))),
]

HONEST = [
    Implementation("split K by 4", gemm_with(lambda a, b: split_k(a, b, 4))),
    Implementation("serial K by 16", gemm_with(lambda a, b: accumulate(a, b, 16, torch.float32))),
    Implementation("serial K by 1", gemm_with(lambda a, b: accumulate(a, b, 1, torch.float32))),
    Implementation("transposed", gemm_with(lambda a, b: (b.mT @ a.mT).mT)),
    Implementation("float64", gemm_with(lambda a, b: (a.double() @ b.double()).float())),
    Implementation("K backwards", gemm_with(lambda a, b: a.flip(1) @ b.flip(0))),
]
