"""Triton kernels that do one thing as fast as a GPU can: copy, read, write, exp, atomics, int8 products.

They are ceilings, not operators: every size is a multiple of the block, so nothing is masked. PyTorch's own calls are
not always the ceiling: its `copy_` of large buffers becomes a memory copy node in a CUDA graph, which is slower than a
kernel, and cuBLAS's int8 product does not use Hopper's own matrix instructions.
"""

# mypy: allow-untyped-defs
from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

Call = Callable[[], object]


@triton.jit
def _copy_kernel(target, source, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(target + at, tl.load(source + at))


@triton.jit
def _read_kernel(source, sink, limit, BLOCK: tl.constexpr, ROUNDS: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * (BLOCK * ROUNDS) + tl.arange(0, BLOCK)
    total = tl.load(source + at)
    for i in tl.static_range(1, ROUNDS):
        total += tl.load(source + at + i * BLOCK)
    # No sum reaches the limit, but the compiler cannot know: everything is read and nothing is written.
    tl.store(sink + tl.arange(0, BLOCK), total, mask=total > limit)


@triton.jit
def _write_kernel(target, value, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(target + at, tl.full((BLOCK,), value, tl.float32))


@triton.jit
def _exp_kernel(out, rounds, BLOCK: tl.constexpr, UNROLL: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.arange(0, BLOCK).to(tl.float32) / BLOCK
    for _ in range(rounds):
        for _ in tl.static_range(UNROLL):
            x = tl.exp(-x)  # stays between 0 and 1
    tl.store(out + at, x)


@triton.jit
def _atomic_kernel(out, rounds, BLOCK: tl.constexpr, SHARED: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    if SHARED:
        at = at * 0
    for _ in range(rounds):
        tl.atomic_add(out + at, 1.0, sem="relaxed")


@triton.jit
def _int8_product_kernel(
    x, w, out, M, N, K, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP: tl.constexpr
):  # fmt: skip
    # Blocks of GROUP rows of tiles run side by side, so that their operands meet in the cache.
    pid, across = tl.program_id(0), tl.cdiv(N, BLOCK_N)
    first = pid // (GROUP * across) * GROUP
    rows = min(tl.cdiv(M, BLOCK_M) - first, GROUP)
    m = (first + pid % (GROUP * across) % rows) * BLOCK_M
    n = pid % (GROUP * across) // rows * BLOCK_N
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.int32)
    for k in range(0, K, BLOCK_K):
        total = tl.dot(x.load([m, k]), w.load([n, k]).T, total, out_dtype=tl.int32)
    at = (m + tl.arange(0, BLOCK_M)).to(tl.int64)[:, None] * N + n + tl.arange(0, BLOCK_N)[None, :]
    tl.store(out + at, total)


# (BLOCK, warps) and (BLOCK, ROUNDS, warps), the best on most sizes first. One 16-byte access of each thread beats more
# of them; but blocks below 4 KiB of traffic are limited by the rate at which blocks are started.
COPY_SHAPES = ((1024, 8), (512, 4), (1024, 4))
READ_SHAPES = ((1024, 1, 8), (1024, 1, 4), (1024, 2, 4))
WRITE_SHAPES = ((1024, 4), (1024, 8))
_EXP_BLOCK, _EXP_WARPS, _EXP_UNROLL = 1024, 2, 8
_ATOMIC_BLOCK = 256


def copies(view: torch.Tensor) -> list[Call]:
    """Ways to copy the first half of float32 `view` into its second half."""
    half = view.numel() // 2
    source, target = view[:half], view[half:]
    return [partial(_copy, target, source, *shape) for shape in COPY_SHAPES]


def reads(view: torch.Tensor, sink: torch.Tensor) -> list[Call]:
    """Ways to read all of float32 `view`; `sink` holds 2048 float32 that are never written."""
    return [partial(_read, view, sink, *shape) for shape in READ_SHAPES]


def writes(view: torch.Tensor) -> list[Call]:
    """Ways to write all of float32 `view`."""
    return [partial(_write, view, *shape) for shape in WRITE_SHAPES]


def exps(out: torch.Tensor, rounds: int) -> tuple[Call, int]:
    """A call that applies exp to registers, `rounds` times 8 on each element of float32 `out` (a multiple of 1024),
    which holds the results; and the number of exp in it."""
    grid = (out.numel() // _EXP_BLOCK,)
    call = partial(_exp_kernel[grid], out, rounds, BLOCK=_EXP_BLOCK, UNROLL=_EXP_UNROLL, num_warps=_EXP_WARPS)
    return call, out.numel() * rounds * _EXP_UNROLL


def atomics(out: torch.Tensor, rounds: int, shared: bool) -> tuple[Call, int]:
    """A call that adds 1 atomically to each element of float32 `out` (a multiple of 256), `rounds` times, or, if
    `shared`, as often to its first; and the number of additions in it."""
    grid = (out.numel() // _ATOMIC_BLOCK,)
    call = partial(_atomic_kernel[grid], out, rounds, BLOCK=_ATOMIC_BLOCK, SHARED=shared, num_warps=4)
    return call, out.numel() * rounds


def int8_product(x: torch.Tensor, w: torch.Tensor, out: torch.Tensor) -> Call:
    """A call that writes x @ w.T into int32 `out` [M, N], for int8 x [M, K] and w [N, K] on Hopper; M is a multiple of
    128, N of 256 and K of 128."""
    (m, k), n = x.shape, w.shape[0]
    tiles = TensorDescriptor.from_tensor(x, [128, 128]), TensorDescriptor.from_tensor(w, [256, 128])
    fixed = {"BLOCK_M": 128, "BLOCK_N": 256, "BLOCK_K": 128, "GROUP": 16, "num_stages": 4, "num_warps": 8}
    return partial(_int8_product_kernel[(m // 128 * (n // 256),)], *tiles, out, m, n, k, **fixed)


def _copy(target: torch.Tensor, source: torch.Tensor, block: int, warps: int) -> None:
    _copy_kernel[(source.numel() // block,)](target, source, BLOCK=block, num_warps=warps)


def _read(source: torch.Tensor, sink: torch.Tensor, block: int, rounds: int, warps: int) -> None:
    grid = (source.numel() // (block * rounds),)
    _read_kernel[grid](source, sink, 3.0e38, BLOCK=block, ROUNDS=rounds, num_warps=warps)


def _write(target: torch.Tensor, block: int, warps: int) -> None:
    _write_kernel[(target.numel() // block,)](target, 0.5, BLOCK=block, num_warps=warps)
