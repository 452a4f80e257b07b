"""What kernels over rows share: tiles of rows in and out of memory, their settings, and the shape of a launch.

A program takes `rows` rows at a time, one tile. With `block` 0 whole rows lie in registers; otherwise a row is walked
in steps of `block` columns, twice, and the second walk hits L2. `hold` asks L2 to give up what was read later than what
was written: stores then leave for memory steadily, and streams of rows come 2 to 4 % closer to the copy rate on Hopper.
Of persistent kernels `waves` programs per multiprocessor walk over the tiles, with `stages` tiles on their way at once.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

from ...problem import Parameter
from .launch import arch_of, next_power_of_2
from .settings import choose

PARAMETERS = (
    Parameter(name="rows", values=(1, 2, 4, 8, 16, 32, 64, 128), default=1),
    Parameter(name="warps", values=(1, 2, 4, 8, 16, 32), default=8),
    Parameter(name="block", values=(0, 1024, 2048, 4096, 8192, 16384), default=0),
    Parameter(name="hold", values=(0, 1), default=0),
)


@triton.jit
def load_rows(ptr, rows, cols, stride, M, N, other, FULL: tl.constexpr, HOLD: tl.constexpr):
    """Load the tile [rows, cols]; FULL says that no column lies past N. `other` stands for what lies outside."""
    POLICY: tl.constexpr = "evict_last" if HOLD else ""
    at = ptr + rows[:, None] * stride + cols[None, :]
    if FULL and rows.shape[0] == 1:  # tiles of one row never pass the last: without a mask a load is one instruction
        tile = tl.load(at, eviction_policy=POLICY)
    elif FULL:
        tile = tl.load(at, mask=(rows < M)[:, None], other=other, eviction_policy=POLICY)
    else:
        tile = tl.load(at, mask=(rows < M)[:, None] & (cols < N)[None, :], other=other, eviction_policy=POLICY)
    return tile


@triton.jit
def store_rows(ptr, tile, rows, cols, stride, M, N, FULL: tl.constexpr):
    """Store the tile [rows, cols], rounded to the dtype of `ptr`."""
    at = ptr + rows[:, None] * stride + cols[None, :]
    narrow = tile.to(ptr.dtype.element_ty)
    if FULL and rows.shape[0] == 1:
        tl.store(at, narrow)
    elif FULL:
        tl.store(at, narrow, mask=(rows < M)[:, None])
    else:
        tl.store(at, narrow, mask=(rows < M)[:, None] & (cols < N)[None, :])


@triton.jit
def load_part(ptr, cols, N, other, FULL: tl.constexpr, HOLD: tl.constexpr):
    """Load the entries `cols`, of any shape, of one row of length N; HOLD says that they will be read again."""
    POLICY: tl.constexpr = "evict_last" if HOLD else "evict_first"
    if FULL:
        part = tl.load(ptr + cols, eviction_policy=POLICY)
    else:
        part = tl.load(ptr + cols, mask=cols < N, other=other, eviction_policy=POLICY)
    return part


@triton.jit
def store_part(ptr, part, cols, N, FULL: tl.constexpr):
    """Store the entries `cols`, of any shape, of one row of length N, rounded to the dtype of `ptr`."""
    narrow = part.to(ptr.dtype.element_ty)
    if FULL:
        tl.store(ptr + cols, narrow)
    else:
        tl.store(ptr + cols, narrow, mask=cols < N)


def settings_of(op: str, kernel: str, x: torch.Tensor, N: int, default: dict[str, int]) -> dict[str, int]:
    """Return `default` overlaid with the tuned settings of `kernel` for rows of length `N` on the device of `x`.

    What matters of a dtype is its size: rows of float16 are looked up as rows of bfloat16.
    """
    dtype = "bfloat16" if x.element_size() == 2 else str(x.dtype).removeprefix("torch.")
    return choose(op, arch_of(x), kernel, dtype, {"N": N}, {"block": 0, "hold": 0, **default})


def launch_of(M: int, N: int, set_: dict[str, int]) -> tuple[int, dict[str, Any]]:
    """Return the number of programs and the constants with which a kernel takes M rows of length N: those of its long
    form, a program for each row, where a row is longer than a block."""
    block = set_["block"] or next_power_of_2(N)
    constants = {"FULL": N % block == 0, "BLOCK_N": block, "num_warps": set_["warps"]}
    if block < N:
        return M, {**constants, "BLOCKS": triton.cdiv(N, block)}
    return triton.cdiv(M, set_["rows"]), {**constants, "BLOCK_M": set_["rows"], "HOLD": bool(set_["hold"])}
