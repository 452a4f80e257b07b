"""The Triton kernels of gemm, for every GPU, and their launch.

`_gemm_fwd_kernel` reads through strides and takes everything; `_gemm_fwd_tma_kernel` reads and writes through the
tensor memory accelerator. With `programs` above 0 a program walks several tiles, and `flatten` makes one pipelined
loop of all of them, so that the loads of the next tile run under the epilogue of this one; `parts` cuts the epilogue
along N, which leaves shared memory for one more stage.

Source: the grouped order and the flattened loop follow Triton's matmul tutorials.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

from .._lib import settings
from .._lib.launch import arch_of, multiprocessors_of, next_power_of_2
from .._lib.prepared import Prepared

Maybe = torch.Tensor | None


@triton.jit
def _gelu_16_bit(x):
    # x * Phi(x) for results of 16 bits, in half the instructions of erf. Phi(-|x|) = exp(-x^2 / 2) * P(t) with
    # t = 1 / (1 + 0.36 |x|) and P fitted for the least maximum of the relative error, below 1e-6 down to x = -14.
    scale = tl.abs(x) * 0.36 + 1.0
    t = tl.rsqrt(scale * scale)
    p = ((0.0470539234 * t - 0.179756973) * t + 0.180943988) * t + 0.0265559177
    p = (((p * t + 0.13971696) * t + 0.141772858) * t + 0.143713018) * t * tl.exp2(x * x * -0.7213475204444817)
    return x * tl.where(x < 0.0, p, 1.0 - p)


@triton.jit
def _activate(x, ACTIVATION: tl.constexpr, NARROW: tl.constexpr):
    # NARROW: the result is rounded to 16 bits.
    if ACTIVATION == "relu":
        x = tl.where(x < 0.0, 0.0, x)  # not a maximum: NaN must stay NaN
    elif ACTIVATION == "gelu":
        x = _gelu_16_bit(x) if NARROW else 0.5 * x * (1.0 + tl.erf(x * 0.7071067811865476))
    elif ACTIVATION == "silu":
        x = x / (1.0 + tl.exp(-x))
    return x


@triton.jit
def _place(tile, tiles_m, tiles_n, GROUP_M: tl.constexpr):
    # Tiles go down GROUP_M rows of tiles before they go right, so that a and b are shared in L2.
    first_m = tile // (GROUP_M * tiles_n) * GROUP_M
    group = tl.minimum(tiles_m - first_m, GROUP_M)
    within = tile % (GROUP_M * tiles_n)
    return first_m + within % group, within // group


@triton.jit(do_not_specialize=["M"])
def _gemm_fwd_kernel(
    a_ptr, b_ptr, bias_ptr, out_ptr, pre_ptr, M, N, K, a_m_stride, a_k_stride, b_k_stride, b_n_stride,
    HAS_BIAS: tl.constexpr, KEEP_PRE: tl.constexpr, ACTIVATION: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP_M: tl.constexpr, EVEN_K: tl.constexpr,
):  # fmt: skip
    tiles_m, tiles_n = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    for tile in range(tl.program_id(0), tiles_m * tiles_n, tl.num_programs(0)):
        tile_m, tile_n = _place(tile, tiles_m, tiles_n, GROUP_M)
        rows = tile_m * BLOCK_M + tl.arange(0, BLOCK_M)
        cols = tile_n * BLOCK_N + tl.arange(0, BLOCK_N)
        # Rows past the edge wrap around: what they compute is never stored, and the loads need no mask.
        a_rows = (rows % M).to(tl.int64)
        b_cols = (cols % N).to(tl.int64)
        ks = tl.arange(0, BLOCK_K)
        a_ptrs = a_ptr + a_rows[:, None] * a_m_stride + ks[None, :].to(tl.int64) * a_k_stride
        b_ptrs = b_ptr + ks[:, None].to(tl.int64) * b_k_stride + b_cols[None, :] * b_n_stride
        acc = tl.zeros([BLOCK_M, BLOCK_N], dtype=tl.float32)
        for start in range(0, K, BLOCK_K):
            if EVEN_K:
                a = tl.load(a_ptrs)
                b = tl.load(b_ptrs)
            else:
                a = tl.load(a_ptrs, mask=ks[None, :] < K - start, other=0.0)
                b = tl.load(b_ptrs, mask=ks[:, None] < K - start, other=0.0)
            acc = tl.dot(a, b, acc, input_precision=PRECISION)
            a_ptrs += BLOCK_K * a_k_stride
            b_ptrs += BLOCK_K * b_k_stride
        if HAS_BIAS:
            acc += tl.load(bias_ptr + cols, mask=cols < N, other=0.0).to(tl.float32)[None, :]
        offsets = rows[:, None].to(tl.int64) * N + cols[None, :]
        mask = (rows < M)[:, None] & (cols < N)[None, :]
        if KEEP_PRE:
            tl.store(pre_ptr + offsets, acc.to(pre_ptr.dtype.element_ty), mask=mask)
        out = _activate(acc, ACTIVATION, out_ptr.dtype.element_ty.primitive_bitwidth == 16)
        tl.store(out_ptr + offsets, out.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def _finish(
    acc, bias_ptr, out_desc, pre_desc, N, row, col, PARTS: tl.constexpr,
    HAS_BIAS: tl.constexpr, KEEP_PRE: tl.constexpr, ACTIVATION: tl.constexpr,
):  # fmt: skip
    # Bias, activation and store, PARTS pieces of columns one after another.
    if PARTS == 1:
        if HAS_BIAS:
            cols = col + tl.arange(0, acc.shape[1])
            acc += tl.load(bias_ptr + cols, mask=cols < N, other=0.0).to(tl.float32)[None, :]
        if KEEP_PRE:
            pre_desc.store([row, col], acc.to(pre_desc.dtype))
        out_desc.store([row, col], _activate(acc, ACTIVATION, True).to(out_desc.dtype))
    else:
        width: tl.constexpr = acc.shape[1] // 2
        left, right = acc.reshape([acc.shape[0], 2, width]).permute(0, 2, 1).split()
        half: tl.constexpr = PARTS // 2
        _finish(left, bias_ptr, out_desc, pre_desc, N, row, col, half, HAS_BIAS, KEEP_PRE, ACTIVATION)
        _finish(right, bias_ptr, out_desc, pre_desc, N, row, col + width, half, HAS_BIAS, KEEP_PRE, ACTIVATION)


@triton.jit(do_not_specialize=["M"])
def _gemm_fwd_tma_kernel(
    a_desc, b_desc, bias_ptr, out_desc, pre_desc, M, N, K,
    A_COLUMNS: tl.constexpr, B_COLUMNS: tl.constexpr, HAS_BIAS: tl.constexpr, KEEP_PRE: tl.constexpr,
    ACTIVATION: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr, GROUP_M: tl.constexpr, PARTS: tl.constexpr, FLATTEN: tl.constexpr,
):  # fmt: skip
    # The same walk with the tensor memory accelerator: descriptors keep addresses and masks out of the registers.
    tiles_m, tiles_n = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    for tile in tl.range(tl.program_id(0), tiles_m * tiles_n, tl.num_programs(0), flatten=FLATTEN):
        tile_m, tile_n = _place(tile, tiles_m, tiles_n, GROUP_M)
        row, col = tile_m * BLOCK_M, tile_n * BLOCK_N
        acc = tl.zeros([BLOCK_M, BLOCK_N], dtype=tl.float32)
        for start in range(0, K, BLOCK_K):
            a = a_desc.load([start, row]).T if A_COLUMNS else a_desc.load([row, start])
            b = b_desc.load([col, start]).T if B_COLUMNS else b_desc.load([start, col])
            acc = tl.dot(a, b, acc)
        _finish(acc, bias_ptr, out_desc, pre_desc, N, row, col, PARTS, HAS_BIAS, KEEP_PRE, ACTIVATION)


# ---- launch --------------------------------------------------------------------------------------------------------


# Tiles of Hopper's kernel with descriptors, best first: block_m, block_n, block_k, warps, stages, and programs per
# multiprocessor, parts and flatten. The first of which there are enough to busy nearly every multiprocessor is taken.
HOPPER_TILES = (
    (128, 256, 64, 8, 4, 1, 2, 1),
    (128, 128, 64, 8, 6, 0, 1, 0),
    (64, 128, 128, 4, 4, 0, 1, 0),
    (64, 64, 128, 4, 6, 0, 1, 0),
)
BUSY = 0.7


def default_settings(M: int, N: int, K: int, dtype: str, arch: str, tma: bool, multiprocessors: int) -> dict[str, int]:
    """For sizes that nothing was measured for. A few rows are bound by the bytes of b: narrow tiles spread them over
    more units, long ones keep more in flight. Otherwise, with descriptors, 128x256 sums fill 8 warps' registers to 128
    each, and three stages of 48 KiB and the staged output fit 227 KiB; on Hopper see `HOPPER_TILES`. 128x128 without,
    two stages in AMD's 64 KiB; float32, which has no exact matrix unit, takes 64x64. A dimension smaller than the tile
    shrinks it."""
    amd = arch.startswith("gfx")
    more = {"group": 8, "programs": 0, "parts": 1, "flatten": 0}
    if dtype == "float32":
        tile = {"block_m": 64, "block_n": 64, "block_k": 32, "warps": 4, "stages": 2}
    elif M <= 32 and tma and arch == "sm90":
        tile = {"block_m": 64, "block_n": 64, "block_k": 256, "warps": 4, "stages": 4}
    elif M <= 64 and not (tma and arch == "sm90"):
        tile = {"block_m": 64, "block_n": 64, "block_k": 128, "warps": 4, "stages": 2 if amd else 3}
    elif tma and arch == "sm90":
        names = ("block_m", "block_n", "block_k", "warps", "stages", "programs", "parts", "flatten")
        enough = (t for t in HOPPER_TILES if triton.cdiv(M, t[0]) * triton.cdiv(N, t[1]) >= BUSY * multiprocessors)
        tile = dict(zip(names, next(enough, HOPPER_TILES[-1]), strict=True))
    elif tma and M > 128 and N >= 4096:
        tile = {"block_m": 128, "block_n": 256, "block_k": 64, "warps": 8, "stages": 3}
    else:
        tile = {"block_m": 128, "block_n": 128, "block_k": 64, "warps": 8, "stages": 2 if amd else 3}
    tile["block_m"] = min(tile["block_m"], max(16, next_power_of_2(M)))
    tile["block_n"] = min(tile["block_n"], max(32, next_power_of_2(N)))
    tile["block_k"] = min(tile["block_k"], max(32, next_power_of_2(K)))
    if tile["block_m"] * tile["block_n"] <= 4096:
        tile["warps"] = 4
    return {**more, **tile}


def by_rows(x: torch.Tensor) -> torch.Tensor | None:
    """Return `x` or its transpose, whichever has a contiguous last axis and 16-byte rows, or None."""
    if x.data_ptr() % 16:
        return None
    (rows, cols), (down, right), size = x.shape, x.stride(), x.element_size()
    if right == 1 and down * size % 16 == 0 and down >= cols:
        return x
    return x.mT if down == 1 and right * size % 16 == 0 and right >= rows else None


def on_trial(kernel: str) -> tuple[tuple[str, Any], ...]:
    """The settings that a tuner tries for `kernel` at the moment, as what a cached launch is told apart by."""
    trials = settings._trials.get()
    return tuple(sorted(trials["gemm", kernel].items())) if trials and ("gemm", kernel) in trials else ()


@lru_cache(maxsize=1024)
def _prepare(
    device: tuple[str, int, int | None], dtype: torch.dtype, M: int, N: int, K: int,
    fixed: tuple[bool, bool, str], tf32: bool, layout: tuple[Any, ...], trial: tuple[Any, ...],
) -> Prepared:  # fmt: skip
    """The pointer kernel for these sizes; `layout` (strides and alignment) and `trial` only tell launches apart."""
    set_ = _settings("fwd", device, dtype, M, N, K)
    tile = (set_["block_m"], set_["block_n"], set_["block_k"], set_["group"])
    constants = (*fixed, "tf32" if tf32 else "ieee", *tile, K % set_["block_k"] == 0)
    programs = _programs(set_, M, N, device[1])
    return Prepared(_gemm_fwd_kernel, programs, constants, num_warps=set_["warps"], num_stages=set_["stages"])


@lru_cache(maxsize=1024)
def _prepare_tma(
    device: tuple[str, int, int | None], dtype: torch.dtype, M: int, N: int, K: int,
    fixed: tuple[bool, bool, str], layout: tuple[bool, bool, bool], trial: tuple[Any, ...],
) -> tuple[Prepared, list[int], list[int], list[int]]:  # fmt: skip
    """The kernel with descriptors for these sizes, and the blocks of a, b and out that its descriptors name."""
    set_ = _settings("fwd_tma", device, dtype, M, N, K)
    block_m, block_n, block_k, parts = set_["block_m"], set_["block_n"], set_["block_k"], set_["parts"]
    a_columns, b_columns, _ = layout
    tile = (block_m, block_n, block_k, set_["group"], parts, bool(set_["flatten"]))
    ready = Prepared(
        _gemm_fwd_tma_kernel, _programs(set_, M, N, device[1]), (a_columns, b_columns, *fixed, *tile),
        num_warps=set_["warps"], num_stages=set_["stages"],
    )  # fmt: skip
    a_block = [block_k, block_m] if a_columns else [block_m, block_k]
    b_block = [block_n, block_k] if b_columns else [block_k, block_n]
    return ready, a_block, b_block, [block_m, block_n // parts]


def _settings(kernel: str, device: tuple[str, int, Any], dtype: torch.dtype, M: int, N: int, K: int) -> dict[str, int]:
    name, (arch, multiprocessors, _) = str(dtype).removeprefix("torch."), device
    default = default_settings(M, N, K, name, arch, kernel == "fwd_tma", multiprocessors)
    return settings.choose("gemm", arch, kernel, name, {"M": M, "N": N, "K": K}, default)


def _programs(set_: dict[str, int], M: int, N: int, multiprocessors: int) -> int:
    tiles = triton.cdiv(M, set_["block_m"]) * triton.cdiv(N, set_["block_n"])
    return min(tiles, set_["programs"] * multiprocessors) if set_["programs"] else tiles


def launch(a: torch.Tensor, b: torch.Tensor, bias: Maybe, out: torch.Tensor, pre: Maybe, activation: str) -> None:
    """out (M, N) = activation(a (M, K) @ b (K, N) + bias (N,)), and pre, what the activation was given, if wanted.

    out and pre are contiguous; nothing is empty but K may be 0.
    """
    (M, K), N, dtype = a.shape, b.shape[1], a.dtype
    arch = arch_of(a)
    device = (arch, multiprocessors_of(a), a.device.index)
    fixed = (bias is not None, pre is not None, activation)
    bias_aligned = bias is None or bias.data_ptr() % 16 == 0
    # Interpreted kernels take the descriptors too, so that a CPU checks what Hopper and Blackwell run.
    tma = arch in ("sm90", "sm100", "cpu") and dtype.itemsize == 2 and K > 0 and N % 8 == 0 and not out.data_ptr() % 16
    a_rows, b_rows = (by_rows(a), by_rows(b)) if tma else (None, None)
    if a_rows is None or b_rows is None:
        strides = (*a.stride(), *b.stride())
        layout = (*strides, bias_aligned, *(x.data_ptr() % 16 == 0 for x in (a, b, out)))
        tf32 = torch.backends.cuda.matmul.allow_tf32
        run = _prepare(device, dtype, M, N, K, fixed, tf32, layout, on_trial("fwd"))
        run(a, b, bias, out, pre, M, N, K, *strides)
        return
    rows = (a_rows is not a, b_rows is not b, bias_aligned)
    run, a_block, b_block, out_block = _prepare_tma(device, dtype, M, N, K, fixed, rows, on_trial("fwd_tma"))
    a_desc, b_desc = _describe(a_rows, a_block), _describe(b_rows, b_block)
    run(a_desc, b_desc, bias, _describe(out, out_block), None if pre is None else _describe(pre, out_block), M, N, K)


def _describe(x: torch.Tensor, block: list[int]) -> TensorDescriptor:
    return TensorDescriptor(x, x.shape, x.stride(), block)
