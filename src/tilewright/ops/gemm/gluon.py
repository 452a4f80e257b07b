"""The Gluon kernel of gemm, for Hopper (sm_90) alone, and its launch.

One program per multiprocessor walks over tiles. One warp fetches tiles of a and b through the tensor memory accelerator
into a ring of stages in shared memory; one or two groups of four warps multiply them, each a slab of rows of the tile
with its sums in its own registers (128 a thread for 64x256). Two barriers per stage tell the other side that it is
full, or empty again. The loads of the next tile run under the epilogue of this one, and the two groups drift apart by
up to a ring, so that one multiplies while the other stores. The epilogue goes in `parts` along N through shared memory.

Explicit, never a fallback: float16 and bfloat16 on sm_90. What the accelerator cannot address (rows that are no
multiple of 16 bytes) is copied into memory that it can.

Source: the division of labour is that of CUTLASS's cooperative warp-specialised kernel.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import triton
from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import (
    fence_async_shared,
    mbarrier,
    tma,
    warpgroup_mma,
    warpgroup_mma_init,
    warpgroup_mma_wait,
)
from triton.experimental.gluon.nvidia.hopper import TensorDescriptor

from .._lib import settings
from .._lib.launch import arch_of, multiprocessors_of
from .._lib.prepared import Prepared
from .triton import BUSY, by_rows, on_trial

Maybe = torch.Tensor | None


@gluon.jit
def _activate(x, ACTIVATION: gl.constexpr):
    # As the Triton kernels do it for results of 16 bits.
    if ACTIVATION == "relu":
        x = gl.where(x < 0.0, 0.0, x)
    elif ACTIVATION == "gelu":
        scale = gl.abs(x) * 0.36 + 1.0
        t = gl.rsqrt(scale * scale)
        p = ((0.0470539234 * t - 0.179756973) * t + 0.180943988) * t + 0.0265559177
        p = (((p * t + 0.13971696) * t + 0.141772858) * t + 0.143713018) * t * gl.exp2(x * x * -0.7213475204444817)
        x = x * gl.where(x < 0.0, p, 1.0 - p)
    elif ACTIVATION == "silu":
        x = x / (1.0 + gl.exp(-x))
    return x


@gluon.jit
def _place(tile, tiles_m, tiles_n, GROUP_M: gl.constexpr):
    # Tiles go down GROUP_M rows of tiles before they go right, so that a and b are shared in L2.
    first_m = tile // (GROUP_M * tiles_n) * GROUP_M
    group = gl.minimum(tiles_m - first_m, GROUP_M)
    within = tile % (GROUP_M * tiles_n)
    return first_m + within % group, within // group


@gluon.jit
def _fetch(
    a_desc, b_desc, a_ring, b_ring, full, empty, tiles_m, tiles_n, K,
    A_COLUMNS: gl.constexpr, B_COLUMNS: gl.constexpr, BLOCK_M: gl.constexpr, BLOCK_N: gl.constexpr,
    BLOCK_K: gl.constexpr, STAGES: gl.constexpr, GROUP_M: gl.constexpr,
):  # fmt: skip
    stage = 0
    phase = 1  # a barrier that was never passed counts as passed before: the first round waits for nothing
    for tile in range(gl.program_id(0), tiles_m * tiles_n, gl.num_programs(0)):
        tile_m, tile_n = _place(tile, tiles_m, tiles_n, GROUP_M)
        row = tile_m * BLOCK_M
        col = tile_n * BLOCK_N
        for start in range(0, K, BLOCK_K):
            ready = full.index(stage)
            mbarrier.wait(empty.index(stage), phase)
            mbarrier.expect(ready, a_desc.block_type.nbytes + b_desc.block_type.nbytes)
            if A_COLUMNS:
                tma.async_copy_global_to_shared(a_desc, [start, row], ready, a_ring.index(stage))
            else:
                tma.async_copy_global_to_shared(a_desc, [row, start], ready, a_ring.index(stage))
            if B_COLUMNS:
                tma.async_copy_global_to_shared(b_desc, [col, start], ready, b_ring.index(stage))
            else:
                tma.async_copy_global_to_shared(b_desc, [start, col], ready, b_ring.index(stage))
            stage += 1
            if stage == STAGES:
                stage = 0
                phase ^= 1


@gluon.jit
def _multiply(
    bias_ptr, out_desc, pre_desc, a_ring, b_ring, full, empty, staging, tiles_m, tiles_n, N, K,
    A_COLUMNS: gl.constexpr, B_COLUMNS: gl.constexpr, HAS_BIAS: gl.constexpr, KEEP_PRE: gl.constexpr,
    ACTIVATION: gl.constexpr, BLOCK_M: gl.constexpr, BLOCK_N: gl.constexpr, BLOCK_K: gl.constexpr,
    STAGES: gl.constexpr, GROUP_M: gl.constexpr, PARTS: gl.constexpr, SLOTS: gl.constexpr, GROUPS: gl.constexpr,
    OWN: gl.constexpr,
):  # fmt: skip
    # Group OWN of GROUPS: the rows [OWN * ROWS, (OWN + 1) * ROWS) of each tile.
    ROWS: gl.constexpr = BLOCK_M // GROUPS
    layout: gl.constexpr = gl.NVMMADistributedLayout([3, 0], warps_per_cta=[4, 1], instr_shape=[16, BLOCK_N, 16])
    stage = 0
    phase = 0
    for tile in range(gl.program_id(0), tiles_m * tiles_n, gl.num_programs(0)):
        tile_m, tile_n = _place(tile, tiles_m, tiles_n, GROUP_M)
        acc = warpgroup_mma_init(gl.zeros([ROWS, BLOCK_N], gl.float32, layout))
        for start in range(0, K, BLOCK_K):
            mbarrier.wait(full.index(stage), phase)
            if A_COLUMNS:
                a = a_ring.index(stage).slice(OWN * ROWS, ROWS, 1).permute((1, 0))
            else:
                a = a_ring.index(stage).slice(OWN * ROWS, ROWS, 0)
            if B_COLUMNS:
                b = b_ring.index(stage).permute((1, 0))
            else:
                b = b_ring.index(stage)
            acc = warpgroup_mma(a, b, acc, use_acc=start > 0, is_async=True)
            # All but this product are done: the stage of the last one may be overwritten. Its number is computed, as
            # Triton 3.6 does not carry a variable round a loop that began as a copy of another (before = stage).
            acc = warpgroup_mma_init(warpgroup_mma_wait(1, deps=(acc,)))
            mbarrier.arrive(empty.index(gl.where(stage == 0, STAGES, stage) - 1), pred=start > 0)
            stage += 1
            if stage == STAGES:
                stage = 0
                phase ^= 1
        sums = warpgroup_mma_wait(0, deps=(acc,))
        mbarrier.arrive(empty.index(gl.where(stage == 0, STAGES, stage) - 1))
        _finish(sums, bias_ptr, out_desc, pre_desc, staging, N, tile_m * BLOCK_M + OWN * ROWS, tile_n * BLOCK_N,
                PARTS, 0, OWN, SLOTS, HAS_BIAS, KEEP_PRE, ACTIVATION)  # fmt: skip
    tma.store_wait(0)


@gluon.jit
def _finish(
    acc, bias_ptr, out_desc, pre_desc, staging, N, row, col, PARTS: gl.constexpr, PIECE: gl.constexpr,
    OWN: gl.constexpr, SLOTS: gl.constexpr, HAS_BIAS: gl.constexpr, KEEP_PRE: gl.constexpr, ACTIVATION: gl.constexpr,
):  # fmt: skip
    # Bias, activation and store of PARTS parts of columns, in order; PIECE stores were made for this tile before.
    if PARTS == 1:
        if HAS_BIAS:
            cols = col + gl.arange(0, acc.shape[1], layout=gl.SliceLayout(0, acc.type.layout))
            bias = gl.load(bias_ptr + cols, mask=cols < N, other=0.0).to(gl.float32)
            acc = acc + gl.expand_dims(bias, 0)
        if KEEP_PRE:
            _store(acc, pre_desc, staging, row, col, PIECE, OWN, SLOTS)
        _store(_activate(acc, ACTIVATION), out_desc, staging, row, col, PIECE + KEEP_PRE, OWN, SLOTS)
    else:
        width: gl.constexpr = acc.shape[1] // 2
        half: gl.constexpr = PARTS // 2
        then: gl.constexpr = PIECE + half * (1 + KEEP_PRE)
        left, right = acc.reshape([acc.shape[0], 2, width]).permute(0, 2, 1).split()
        _finish(left, bias_ptr, out_desc, pre_desc, staging, N, row, col, half, PIECE, OWN, SLOTS,
                HAS_BIAS, KEEP_PRE, ACTIVATION)  # fmt: skip
        _finish(right, bias_ptr, out_desc, pre_desc, staging, N, row, col + width, half, then, OWN, SLOTS,
                HAS_BIAS, KEEP_PRE, ACTIVATION)  # fmt: skip


@gluon.jit
def _store(x, desc, staging, row, col, PIECE: gl.constexpr, OWN: gl.constexpr, SLOTS: gl.constexpr):
    # Each group has SLOTS slots in `staging` and takes them in turn: one is filled while the others are stored.
    slot = staging.index(OWN * SLOTS + PIECE % SLOTS)
    tma.store_wait(SLOTS - 1)
    slot.store(x.to(desc.dtype))
    fence_async_shared()
    tma.async_copy_shared_to_global(desc, [row, col], slot)


@gluon.jit(do_not_specialize=["M"])
def _gemm_fwd_gluon_kernel(
    a_desc, b_desc, bias_ptr, out_desc, pre_desc, M, N, K,
    A_COLUMNS: gl.constexpr, B_COLUMNS: gl.constexpr, HAS_BIAS: gl.constexpr, KEEP_PRE: gl.constexpr,
    ACTIVATION: gl.constexpr, BLOCK_M: gl.constexpr, BLOCK_N: gl.constexpr, BLOCK_K: gl.constexpr,
    STAGES: gl.constexpr, GROUP_M: gl.constexpr, PARTS: gl.constexpr, SLOTS: gl.constexpr, GROUPS: gl.constexpr,
):  # fmt: skip
    tiles_m = gl.cdiv(M, BLOCK_M)
    tiles_n = gl.cdiv(N, BLOCK_N)
    a_ring = gl.allocate_shared_memory(a_desc.dtype, [STAGES] + a_desc.block_shape, a_desc.layout)  # noqa: RUF005
    b_ring = gl.allocate_shared_memory(b_desc.dtype, [STAGES] + b_desc.block_shape, b_desc.layout)  # noqa: RUF005
    slots: gl.constexpr = [GROUPS * SLOTS] + out_desc.block_shape  # noqa: RUF005
    staging = gl.allocate_shared_memory(out_desc.dtype, slots, out_desc.layout)
    full = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    empty = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    for i in gl.static_range(STAGES):
        mbarrier.init(full.index(i), count=1)
        mbarrier.init(empty.index(i), count=GROUPS)
    fence_async_shared()
    # Registers: 240 for each thread that multiplies and 24 for the fetching warp's four make 504 of Hopper's 512.
    if GROUPS == 1:
        gl.warp_specialize([
            (_multiply, (bias_ptr, out_desc, pre_desc, a_ring, b_ring, full, empty, staging, tiles_m, tiles_n, N, K,
                         A_COLUMNS, B_COLUMNS, HAS_BIAS, KEEP_PRE, ACTIVATION, BLOCK_M, BLOCK_N, BLOCK_K, STAGES,
                         GROUP_M, PARTS, SLOTS, GROUPS, 0)),
            (_fetch, (a_desc, b_desc, a_ring, b_ring, full, empty, tiles_m, tiles_n, K, A_COLUMNS, B_COLUMNS,
                      BLOCK_M, BLOCK_N, BLOCK_K, STAGES, GROUP_M)),
        ], [1], [24])  # fmt: skip
    else:
        gl.warp_specialize([
            (_multiply, (bias_ptr, out_desc, pre_desc, a_ring, b_ring, full, empty, staging, tiles_m, tiles_n, N, K,
                         A_COLUMNS, B_COLUMNS, HAS_BIAS, KEEP_PRE, ACTIVATION, BLOCK_M, BLOCK_N, BLOCK_K, STAGES,
                         GROUP_M, PARTS, SLOTS, GROUPS, 0)),
            (_multiply, (bias_ptr, out_desc, pre_desc, a_ring, b_ring, full, empty, staging, tiles_m, tiles_n, N, K,
                         A_COLUMNS, B_COLUMNS, HAS_BIAS, KEEP_PRE, ACTIVATION, BLOCK_M, BLOCK_N, BLOCK_K, STAGES,
                         GROUP_M, PARTS, SLOTS, GROUPS, 1)),
            (_fetch, (a_desc, b_desc, a_ring, b_ring, full, empty, tiles_m, tiles_n, K, A_COLUMNS, B_COLUMNS,
                      BLOCK_M, BLOCK_N, BLOCK_K, STAGES, GROUP_M)),
        ], [4, 1], [240, 24])  # fmt: skip


# ---- launch --------------------------------------------------------------------------------------------------------


# Best first: block_m, block_n, block_k, warps that multiply, stages, group and parts. The first of which there are
# enough to busy nearly every multiprocessor is taken.
TILES = (
    (128, 256, 64, 8, 4, 16, 4),
    (128, 128, 64, 8, 6, 8, 1),
    (64, 128, 64, 4, 8, 8, 1),
    (64, 64, 128, 4, 6, 8, 1),
)


def default_settings(M: int, N: int, multiprocessors: int) -> dict[str, int]:
    """For sizes that nothing was measured for."""
    names = ("block_m", "block_n", "block_k", "warps", "stages", "group", "parts")
    enough = (t for t in TILES if triton.cdiv(M, t[0]) * triton.cdiv(N, t[1]) >= BUSY * multiprocessors)
    return dict(zip(names, next(enough, TILES[-1]), strict=True))


@lru_cache(maxsize=1024)
def _prepare(
    device: tuple[str, int, int | None], dtype: torch.dtype, M: int, N: int, K: int,
    fixed: tuple[bool, bool, str], layout: tuple[bool, bool, bool], trial: tuple[Any, ...],
) -> tuple[Prepared, Any, Any, Any]:  # fmt: skip
    """The kernel for these sizes, and the blocks and layouts in shared memory of a, b and out."""
    arch, multiprocessors, _ = device
    name, axes = str(dtype).removeprefix("torch."), {"M": M, "N": N, "K": K}
    set_ = settings.choose("gemm", arch, "fwd_gluon", name, axes, default_settings(M, N, multiprocessors))
    block_m, block_n, block_k, parts = set_["block_m"], set_["block_n"], set_["block_k"], set_["parts"]
    groups, slots = set_["warps"] // 4, 2 if parts >= 4 else 1
    a_columns, b_columns, _ = layout
    constants = (a_columns, b_columns, *fixed, block_m, block_n, block_k, set_["stages"], set_["group"], parts)
    programs = min(triton.cdiv(M, block_m) * triton.cdiv(N, block_n), multiprocessors)
    element = gl.bfloat16 if dtype == torch.bfloat16 else gl.float16
    blocks = (
        [block_k, block_m] if a_columns else [block_m, block_k],
        [block_n, block_k] if b_columns else [block_k, block_n],
        [block_m // groups, block_n // parts],
    )
    ready = Prepared(_gemm_fwd_gluon_kernel, programs, (*constants, slots, groups), num_warps=4)
    a_block, b_block, out_block = ((block, gl.NVMMASharedLayout.get_default_for(block, element)) for block in blocks)
    return ready, a_block, b_block, out_block


def launch(a: torch.Tensor, b: torch.Tensor, bias: Maybe, out: torch.Tensor, pre: Maybe, activation: str) -> None:
    """out (M, N) = activation(a (M, K) @ b (K, N) + bias (N,)), and pre, what the activation was given, if wanted.

    out and pre are contiguous and not empty; K may be 0. ValueError for another dtype or machine.
    """
    arch = arch_of(a)
    if arch != "sm90" or a.dtype not in (torch.bfloat16, torch.float16):
        raise ValueError(f"gemm: impl='gluon' takes bfloat16 or float16 on Hopper (sm_90), not {a.dtype} on {arch}")
    if a.shape[1] == 0:  # descriptors have no empty axis; zeros add nothing to the sum
        a, b = a.new_zeros(a.shape[0], 8), b.new_zeros(8, b.shape[1])
    (M, K), N = a.shape, b.shape[1]
    (a_rows, a_columns), (b_rows, b_columns) = _addressable(a), _addressable(b)
    results = [(x, x if by_rows(x) is x else _spaced(x)) for x in (out, pre) if x is not None]
    device, fixed = (arch, multiprocessors_of(a), a.device.index), (bias is not None, pre is not None, activation)
    layout = (a_columns, b_columns, bias is None or bias.data_ptr() % 16 == 0)
    run, a_block, b_block, out_block = _prepare(device, a.dtype, M, N, K, fixed, layout, on_trial("fwd_gluon"))
    outputs = [_describe(x, out_block) for _, x in results]
    run(_describe(a_rows, a_block), _describe(b_rows, b_block), bias, outputs[0], (*outputs, None)[1], M, N, K)
    for x, spaced in results:
        if spaced is not x:
            x.copy_(spaced)


def _addressable(x: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """`x` or its transpose (True), whichever the accelerator can read; a copy where it can read neither."""
    rows = by_rows(x)
    return (_spaced(x).copy_(x), False) if rows is None else (rows, rows is not x)


def _spaced(x: torch.Tensor) -> torch.Tensor:
    """Memory for `x` whose rows begin at multiples of 16 bytes."""
    rows, cols = x.shape
    return x.new_empty(rows, (cols + 7) // 8 * 8)[:, :cols]


def _describe(x: torch.Tensor, block: tuple[list[int], Any]) -> TensorDescriptor:
    return TensorDescriptor(x, x.shape, x.stride(), *block)
