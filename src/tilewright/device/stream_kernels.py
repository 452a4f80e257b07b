"""Triton kernels that do one thing as fast as a GPU can: copy, read, write, and exp. The only Triton of this package.

They are ceilings, not operators: every size is a multiple of the block, so nothing is masked. PyTorch's own `copy_` of
large buffers is no ceiling: in a CUDA graph it becomes a memory copy node, which is slower than a kernel.
"""

# mypy: allow-untyped-defs
from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import triton
import triton.language as tl

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


# (BLOCK, warps) and (BLOCK, ROUNDS, warps), the best on most sizes first. One 16-byte access of each thread beats more
# of them; but blocks below 4 KiB of traffic are limited by the rate at which blocks are started.
COPY_SHAPES = ((1024, 8), (512, 4), (1024, 4))
READ_SHAPES = ((1024, 1, 8), (1024, 1, 4), (1024, 2, 4))
WRITE_SHAPES = ((1024, 4), (1024, 8))
_EXP_BLOCK, _EXP_WARPS, _EXP_UNROLL = 1024, 2, 8


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


def _copy(target: torch.Tensor, source: torch.Tensor, block: int, warps: int) -> None:
    _copy_kernel[(source.numel() // block,)](target, source, BLOCK=block, num_warps=warps)


def _read(source: torch.Tensor, sink: torch.Tensor, block: int, rounds: int, warps: int) -> None:
    grid = (source.numel() // (block * rounds),)
    _read_kernel[grid](source, sink, 3.0e38, BLOCK=block, ROUNDS=rounds, num_warps=warps)


def _write(target: torch.Tensor, block: int, warps: int) -> None:
    _write_kernel[(target.numel() // block,)](target, 0.5, BLOCK=block, num_warps=warps)
