"""RMS normalisation over the last axis, with an optional weight and an optional residual added first.

    h = x + residual                          (rounded to the dtype of x; h = x without a residual)
    out = h * rsqrt(mean(h^2) + eps) * weight (computed in float32, rounded once)

Axes: M rows (tokens), N features. Bound: memory. A forward pass reads x (and the residual) and writes out (and h)
once; the arithmetic is a few operations per element. So a row stays in registers between its statistic and its output.
The backward pass reads h and the gradient once, writes dx, and sums the weight's gradient in two stages with a fixed
order (partial sums per program, then over programs): no atomics, so it is bitwise repeatable.

Source: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization"; the two-stage weight gradient follows the
layer-norm scheme that Triton's tutorials made common.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl

from ..problem import Cost, Inputs, Parameter, Problem, Space, Workload
from ._lib import cpp_rows
from ._lib.impls import choose_impl, require_triton
from ._lib.launch import as_rows, multiprocessors_of, next_power_of_2, on_device
from ._lib.registration import differentiable_grads, register
from ._lib.rows import PARAMETERS, launch_of, load_part, load_rows, settings_of, store_part, store_rows

IMPLS = ("reference", "cpp", "triton")
# Longest row that a program keeps in registers by default; longer rows are walked twice, the second time out of L2.
FORWARD_ROW, BACKWARD_ROW = 16384, 8192
# Most bytes of tiles that a program has on their way: what a block may use of Hopper's shared memory, less a margin.
STAGED_BYTES = 208 << 10
# Longest row whose weight gradient a backward program sums in registers; longer ones get a kernel of their own.
SUMS_ROW = 32768


def reference(
    x: torch.Tensor, weight: torch.Tensor | None = None, residual: torch.Tensor | None = None, eps: float = 1e-6
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """x (..., N), weight (N,), residual like x -> out like x, or (out, h) when a residual is given."""
    h = x if residual is None else x + residual
    wide = h.to(torch.promote_types(h.dtype, torch.float32))
    out = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    out = (out if weight is None else out * weight).to(h.dtype)
    return out if residual is None else (out, h)


def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
    """Activations with a few outlier channels, as trained models have, and a weight spread around one."""
    M, N = workload.axes["M"], workload.axes["N"]
    dtype = getattr(torch, workload.dtype)
    x = torch.randn(M, N, generator=generator)
    x *= torch.where(torch.rand(N, generator=generator) < 0.01, 8.0, 1.0)
    weight = 1.0 + 0.25 * torch.randn(N, generator=generator) if workload.params.get("weight", True) else None
    residual = torch.randn(M, N, generator=generator).to(dtype) if workload.params.get("residual", False) else None
    args = {
        "x": x.to(dtype),
        "weight": None if weight is None else weight.to(dtype),
        "residual": residual,
        "eps": workload.params.get("eps", 1e-6),
    }
    return Inputs(args)


def cost(workload: Workload) -> Cost:
    """x and the residual are read once, out and h written once; square, add and two products per element."""
    M, N = workload.axes["M"], workload.axes["N"]
    size = getattr(torch, workload.dtype).itemsize
    matrices = 2 if workload.params.get("residual", False) else 1
    weighted = bool(workload.params.get("weight", True))
    return Cost(
        bytes_read=(matrices * M * N + weighted * N) * size,
        bytes_written=matrices * M * N * size,
        flops={"float64" if workload.dtype == "float64" else "float32": (3 + weighted + matrices - 1) * M * N},
        special=M,
        derivation="each matrix crosses memory once; h^2, its sum, h*rstd (and *weight, x+residual) per element",
    )


# ---- kernels -------------------------------------------------------------------------------------------------------


@triton.jit(do_not_specialize=["M", "eps"])
def _rms_norm_fwd_kernel(
    x_ptr, residual_ptr, weight_ptr, out_ptr, h_ptr, rstd_ptr, M, N, x_stride, residual_stride, eps,
    HAS_WEIGHT: tl.constexpr, HAS_RESIDUAL: tl.constexpr, FULL: tl.constexpr, HOLD: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M).to(tl.int64)
    cols = tl.arange(0, BLOCK_N)
    h = load_rows(x_ptr, rows, cols, x_stride, M, N, 0.0, FULL, HOLD)
    if HAS_RESIDUAL:
        added = load_rows(residual_ptr, rows, cols, residual_stride, M, N, 0.0, FULL, HOLD)
    if HAS_WEIGHT:
        weight = load_part(weight_ptr, cols[None, :], N, 0.0, FULL, True)
    if HAS_RESIDUAL:
        h = (h.to(tl.float32) + added.to(tl.float32)).to(h.dtype)
        store_rows(h_ptr, h, rows, cols, N, M, N, FULL)
    wide = h.to(tl.float32)
    rstd = tl.rsqrt(tl.sum(wide * wide, axis=1) / N + eps)
    tl.store(rstd_ptr + rows, rstd, mask=rows < M)
    out = wide * rstd[:, None]
    if HAS_WEIGHT:
        out *= weight.to(tl.float32)
    store_rows(out_ptr, out, rows, cols, N, M, N, FULL)


@triton.jit(do_not_specialize=["eps"])
def _rms_norm_fwd_long_kernel(
    x_ptr, residual_ptr, weight_ptr, out_ptr, h_ptr, rstd_ptr, N, x_stride, residual_stride, eps,
    HAS_WEIGHT: tl.constexpr, HAS_RESIDUAL: tl.constexpr, FULL: tl.constexpr, BLOCK_N: tl.constexpr,
    BLOCKS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    x_row, residual_row = x_ptr + row * x_stride, residual_ptr
    if HAS_RESIDUAL:
        residual_row += row * residual_stride
    squares = tl.zeros([BLOCK_N], dtype=tl.float32)
    for start in range(0, BLOCKS * BLOCK_N, BLOCK_N):
        cols = start + tl.arange(0, BLOCK_N)
        h = load_part(x_row, cols, N, 0.0, FULL, True)
        if HAS_RESIDUAL:
            h = (h.to(tl.float32) + load_part(residual_row, cols, N, 0.0, FULL, True).to(tl.float32)).to(h.dtype)
            store_part(h_ptr + row * N, h, cols, N, FULL)
        wide = h.to(tl.float32)
        squares += wide * wide
    rstd = tl.rsqrt(tl.sum(squares, axis=0) / N + eps)
    tl.store(rstd_ptr + row, rstd)
    for start in range(0, BLOCKS * BLOCK_N, BLOCK_N):
        cols = start + tl.arange(0, BLOCK_N)
        h = load_part(x_row, cols, N, 0.0, FULL, False)
        if HAS_RESIDUAL:  # added again: another thread may have written this part of h, and nothing orders the two
            h = (h.to(tl.float32) + load_part(residual_row, cols, N, 0.0, FULL, False).to(tl.float32)).to(h.dtype)
        out = h.to(tl.float32) * rstd
        if HAS_WEIGHT:
            out *= load_part(weight_ptr, cols, N, 0.0, FULL, True).to(tl.float32)
        store_part(out_ptr + row * N, out, cols, N, FULL)


@triton.jit(do_not_specialize=["M"])
def _rms_norm_bwd_kernel(
    grad_ptr, h_ptr, weight_ptr, rstd_ptr, grad_h_ptr, dx_ptr, partial_ptr, M, N, grad_stride, h_stride, grad_h_stride,
    HAS_WEIGHT: tl.constexpr, HAS_GRAD_H: tl.constexpr, NEEDS_DW: tl.constexpr, BLOCKS: tl.constexpr,
    FULL: tl.constexpr, HOLD: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    # dx = rstd * (w*g - xhat * mean(w*g*xhat)) + grad_h, with xhat = h * rstd; dw sums g*xhat over this program's rows.
    # A row is BLOCKS blocks; where there are several, each is read again, out of L2, once the row's mean is known.
    cols = tl.arange(0, BLOCK_N)
    if HAS_WEIGHT and BLOCKS == 1:
        weight = load_part(weight_ptr, cols[None, :], N, 0.0, FULL, True).to(tl.float32)
    dw = (tl.zeros([BLOCK_M, BLOCK_N], dtype=tl.float32),) * BLOCKS
    for tile in tl.range(tl.program_id(0), tl.cdiv(M, BLOCK_M), tl.num_programs(0), num_stages=STAGES):
        rows = tile * BLOCK_M + tl.arange(0, BLOCK_M).to(tl.int64)
        rstd = tl.load(rstd_ptr + rows, mask=rows < M, other=0.0)
        if BLOCKS == 1:
            grad = load_rows(grad_ptr, rows, cols, grad_stride, M, N, 0.0, FULL, HOLD).to(tl.float32)
            h = load_rows(h_ptr, rows, cols, h_stride, M, N, 0.0, FULL, HOLD).to(tl.float32)
            products = grad * h * weight if HAS_WEIGHT else grad * h
        else:
            products = tl.zeros([BLOCK_M, BLOCK_N], dtype=tl.float32)
            for start in range(0, N, BLOCK_N):
                left = N - start
                g = load_rows(grad_ptr + start, rows, cols, grad_stride, M, left, 0.0, FULL, True).to(tl.float32)
                product = g * load_rows(h_ptr + start, rows, cols, h_stride, M, left, 0.0, FULL, True).to(tl.float32)
                if HAS_WEIGHT:
                    product *= load_part(weight_ptr + start, cols[None, :], left, 0.0, FULL, True).to(tl.float32)
                products += product
        mean = tl.sum(products, axis=1) * rstd / N
        for start in tl.static_range(0, BLOCKS * BLOCK_N, BLOCK_N):
            left = N - start
            if BLOCKS > 1:
                grad = load_rows(grad_ptr + start, rows, cols, grad_stride, M, left, 0.0, FULL, False).to(tl.float32)
                h = load_rows(h_ptr + start, rows, cols, h_stride, M, left, 0.0, FULL, False).to(tl.float32)
                if HAS_WEIGHT:
                    weight = load_part(weight_ptr + start, cols[None, :], left, 0.0, FULL, True).to(tl.float32)
            xhat = h * rstd[:, None]
            if NEEDS_DW:  # the queue of sums turns with the blocks: the first is always this block's
                dw = dw[1:] + (dw[0] + grad * xhat,)  # noqa: RUF005 - Triton unpacks no tuples
            weighted = grad * weight if HAS_WEIGHT else grad
            dx = rstd[:, None] * (weighted - xhat * mean[:, None])
            if HAS_GRAD_H:
                more = load_rows(grad_h_ptr + start, rows, cols, grad_h_stride, M, left, 0.0, FULL, HOLD)
                dx += more.to(tl.float32)
            store_rows(dx_ptr + start, dx, rows, cols, N, M, left, FULL)
    if NEEDS_DW:
        for block in tl.static_range(BLOCKS):
            cols = block * BLOCK_N + tl.arange(0, BLOCK_N)
            tl.store(partial_ptr + tl.program_id(0).to(tl.int64) * N + cols, tl.sum(dw[block], axis=0), mask=cols < N)


@triton.jit(do_not_specialize=["M"])
def _rms_norm_bwd_weight_kernel(
    grad_ptr, h_ptr, rstd_ptr, partial_ptr, M, N, grad_stride, h_stride, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr
):
    # For rows too long for one program: each program sums g*xhat over every num_programs(1)-th tile of rows.
    cols = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    dw = tl.zeros([BLOCK_N], dtype=tl.float32)
    for tile in range(tl.program_id(1), tl.cdiv(M, BLOCK_M), tl.num_programs(1)):
        rows = tile * BLOCK_M + tl.arange(0, BLOCK_M).to(tl.int64)
        mask = (rows < M)[:, None] & (cols < N)[None, :]
        grad = tl.load(grad_ptr + rows[:, None] * grad_stride + cols[None, :], mask=mask, other=0.0).to(tl.float32)
        h = tl.load(h_ptr + rows[:, None] * h_stride + cols[None, :], mask=mask, other=0.0).to(tl.float32)
        rstd = tl.load(rstd_ptr + rows, mask=rows < M, other=0.0)
        dw += tl.sum(grad * h * rstd[:, None], axis=0)
    tl.store(partial_ptr + tl.program_id(1).to(tl.int64) * N + cols, dw, mask=cols < N)


@triton.jit(do_not_specialize=["P"])
def _rms_norm_bwd_sum_kernel(partial_ptr, dw_ptr, P, N, BLOCK_P: tl.constexpr, BLOCK_N: tl.constexpr):
    cols = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    total = tl.zeros([BLOCK_P, BLOCK_N], dtype=tl.float32)
    for start in range(0, P, BLOCK_P):
        rows = start + tl.arange(0, BLOCK_P).to(tl.int64)
        mask = (rows < P)[:, None] & (cols < N)[None, :]
        total += tl.load(partial_ptr + rows[:, None] * N + cols[None, :], mask=mask, other=0.0)
    tl.store(dw_ptr + cols, tl.sum(total, axis=0).to(dw_ptr.dtype.element_ty), mask=cols < N)


SOURCE = r"""
ENTRY void rms_norm_fwd(const element_t* x, const element_t* residual, const float* weight, element_t* out,
                        element_t* h_out, float* rstd_out, int64_t M, int64_t N, int64_t x_stride,
                        int64_t residual_stride, float eps, int64_t threads) {
    advise_huge(out, M * N * (int64_t)sizeof(element_t));
    if (residual) advise_huge(h_out, M * N * (int64_t)sizeof(element_t));
    #pragma omp parallel for schedule(static) num_threads(threads) if (M * N > 16384)
    for (int64_t m = 0; m < M; m++) {
        const element_t* h = x + m * x_stride;
        float squares = 0.0f;
        if (residual) {
            const element_t* r = residual + m * residual_stride;
            element_t* sum = h_out + m * N;
            #pragma omp simd reduction(+ : squares)
            for (int64_t n = 0; n < N; n++) {
                sum[n] = narrow(widen(h[n]) + widen(r[n]));
                const float v = widen(sum[n]);
                squares += v * v;
            }
            h = sum;
        } else {
            #pragma omp simd reduction(+ : squares)
            for (int64_t n = 0; n < N; n++) {
                const float v = widen(h[n]);
                squares += v * v;
            }
        }
        const float rstd = 1.0f / sqrtf(squares / (float)N + eps);
        rstd_out[m] = rstd;
        element_t* o = out + m * N;
        if (weight) {
            #pragma omp simd
            for (int64_t n = 0; n < N; n++) o[n] = narrow(widen(h[n]) * rstd * weight[n]);
        } else {
            #pragma omp simd
            for (int64_t n = 0; n < N; n++) o[n] = narrow(widen(h[n]) * rstd);
        }
    }
}
"""


# ---- launchers -----------------------------------------------------------------------------------------------------

Maybe = torch.Tensor | None


def default_settings(kernel: str, N: int) -> dict[str, int]:
    """Derived, not tuned: 16 elements a thread keep two 16-byte bf16 loads in flight and fit the registers, backward 8
    of each of two matrices; programs of short rows take several, to have 2048 or 1024 elements at least; one or two
    backward programs per multiprocessor, as few partial sums as keep it busy. The more sums of the weight's gradient a
    thread holds, the smaller the blocks of a long row."""
    columns = next_power_of_2(N)
    if kernel == "fwd":
        block = 0 if N <= FORWARD_ROW else 4096
        return {"rows": max(1, 2048 // columns), "warps": min(16, max(4, columns // 512)), "block": block}
    if N <= BACKWARD_ROW:
        return {"rows": max(1, 1024 // columns), "warps": min(16, max(4, columns // 256)), "waves": 2, "stages": 1}
    block = 4096 if N <= 2 * BACKWARD_ROW else 2048 if N <= SUMS_ROW else 8192
    return {"rows": 1, "warps": 16, "block": block, "waves": 1, "stages": 1}


def _fwd_triton(x: torch.Tensor, weight: Maybe, residual: Maybe, out: torch.Tensor, h: torch.Tensor,
                rstd: torch.Tensor, eps: float) -> None:  # fmt: skip
    M, N = x.shape
    r_stride = 0 if residual is None else residual.stride(0)
    flags = {"HAS_WEIGHT": weight is not None, "HAS_RESIDUAL": residual is not None}
    set_ = settings_of("rms_norm", "fwd", x, N, default_settings("fwd", N))
    programs, constants = launch_of(M, N, set_)
    kernel = _rms_norm_fwd_kernel if constants["BLOCK_N"] >= N else _rms_norm_fwd_long_kernel
    sizes = (M, N) if kernel is _rms_norm_fwd_kernel else (N,)
    kernel[(programs,)](x, residual, weight, out, h, rstd, *sizes, x.stride(0), r_stride, eps, **flags, **constants)


def _fwd(
    x: torch.Tensor, weight: Maybe, residual: Maybe, eps: float, impl: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x, residual (..., N), weight (N,) -> out (..., N), h (..., N) or empty without residual, rstd (M,) float32."""
    out, h, rstd = _fwd_fake(x, weight, residual, eps, impl)
    if x.numel() == 0:
        return out, h, rstd
    rows, added = as_rows(x), None if residual is None else as_rows(residual)
    weight = None if weight is None else weight.contiguous()
    if impl == "triton":
        require_triton("rms_norm", x)
        with on_device(x):
            _fwd_triton(rows, weight, added, out, h, rstd, eps)
        return out, h, rstd
    wide = None if weight is None else weight.to(torch.float32)
    cpp_rows.call(
        SOURCE, "rms_norm_fwd", x.dtype, rows, added, wide, out, h, rstd, *rows.shape, rows.stride(0),
        0 if added is None else added.stride(0), float(eps), torch.get_num_threads(),
    )  # fmt: skip
    return out, h, rstd


def _fwd_fake(
    x: torch.Tensor, weight: Maybe, residual: Maybe, eps: float, impl: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    out = x.new_empty(x.shape)
    h = x.new_empty(0) if residual is None else x.new_empty(x.shape)
    return out, h, x.new_empty(math.prod(x.shape[:-1]), dtype=torch.float32)  # Size.numel() would fix the length


def _bwd_triton(grad: torch.Tensor, h: torch.Tensor, weight: Maybe, rstd: torch.Tensor, grad_h: Maybe,
                dx: torch.Tensor, dw: Maybe) -> None:  # fmt: skip
    M, N = h.shape
    strides = (grad.stride(0), h.stride(0), 0 if grad_h is None else grad_h.stride(0))
    flags = {"HAS_WEIGHT": weight is not None, "HAS_GRAD_H": grad_h is not None}
    set_ = settings_of("rms_norm", "bwd", h, N, default_settings("bwd", N))
    block = set_["block"] or next_power_of_2(N)
    tile_bytes = set_["rows"] * block * h.element_size() * (2 if grad_h is None else 3)
    programs = min(triton.cdiv(M, set_["rows"]), multiprocessors_of(h) * set_["waves"])
    sums_here = dw is not None and N <= SUMS_ROW
    count = programs if sums_here else min(triton.cdiv(M, 16), 16)
    partial_sums = None if dw is None else dw.new_empty((count, N), dtype=torch.float32)
    _rms_norm_bwd_kernel[(programs,)](
        grad, h, weight, rstd, grad_h, dx, partial_sums, M, N, *strides, **flags, NEEDS_DW=sums_here,
        BLOCKS=triton.cdiv(N, block), FULL=N % block == 0, HOLD=bool(set_["hold"]), BLOCK_M=set_["rows"],
        BLOCK_N=block, STAGES=min(set_["stages"], 1 + STAGED_BYTES // tile_bytes), num_warps=set_["warps"],
    )  # fmt: skip
    if dw is None:
        return
    if not sums_here:
        _rms_norm_bwd_weight_kernel[(triton.cdiv(N, 128), count)](
            grad, h, rstd, partial_sums, M, N, *strides[:2], BLOCK_M=16, BLOCK_N=128, num_warps=4
        )
    _rms_norm_bwd_sum_kernel[(triton.cdiv(N, 32),)](partial_sums, dw, count, N, BLOCK_P=32, BLOCK_N=32, num_warps=4)


def _bwd_torch(grad: torch.Tensor, h: torch.Tensor, weight: Maybe, rstd: torch.Tensor, grad_h: Maybe,
               dw: Maybe) -> tuple[torch.Tensor, Maybe]:  # fmt: skip
    """The same formulas in plain PyTorch, for the CPU; matrices (M, N)."""
    grad, xhat = grad.to(torch.float32), h.to(torch.float32) * rstd[:, None]
    weighted = grad if weight is None else grad * weight.to(torch.float32)
    dx = rstd[:, None] * (weighted - xhat * (weighted * xhat).mean(-1, keepdim=True))
    dx = dx if grad_h is None else dx + grad_h
    return dx.to(h.dtype), None if dw is None else (grad * xhat).sum(0).to(dw.dtype)


def _bwd(
    grad: torch.Tensor, h: torch.Tensor, weight: Maybe, rstd: torch.Tensor, grad_h: Maybe, needs_dw: bool, impl: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients (..., N) of out and of h, with what forward kept -> dx (..., N), dw (N,) or empty."""
    dx, dw = _bwd_fake(grad, h, weight, rstd, grad_h, needs_dw, impl)
    if h.numel() == 0:
        return dx, dw.zero_()
    weight = None if weight is None else weight.contiguous()
    matrices = as_rows(grad), as_rows(h), weight, rstd, None if grad_h is None else as_rows(grad_h)
    if impl == "triton":
        require_triton("rms_norm", h)
        with on_device(h):
            _bwd_triton(*matrices, dx, dw if needs_dw else None)
        return dx, dw
    dx_rows, summed = _bwd_torch(*matrices, dw if needs_dw else None)
    return dx_rows.view(h.shape), dw if summed is None else summed


def _bwd_fake(
    grad: torch.Tensor, h: torch.Tensor, weight: Maybe, rstd: torch.Tensor, grad_h: Maybe, needs_dw: bool, impl: str
) -> tuple[torch.Tensor, torch.Tensor]:
    assert not needs_dw or weight is not None
    return h.new_empty(h.shape), weight.new_empty(weight.shape) if needs_dw and weight is not None else h.new_empty(0)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    x, weight, residual, ctx.eps, ctx.impl = inputs
    _, h, rstd = output
    ctx.has_residual = residual is not None
    ctx.mark_non_differentiable(*([rstd] if ctx.has_residual else [h, rstd]))
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(h if ctx.has_residual else x, weight, rstd)


def _backward(ctx: Any, grad: Maybe, grad_h: Maybe, _: Maybe) -> tuple[Any, ...]:
    h, weight, rstd = ctx.saved_tensors
    grad_h = grad_h if ctx.has_residual else None
    if grad is None:
        dx, dw = grad_h, None
    elif torch.is_grad_enabled():  # create_graph=True
        dh, dw, _, _ = differentiable_grads(reference, (h, weight, None, ctx.eps), (grad,))
        dx = dh if grad_h is None or dh is None else dh + grad_h
    else:
        needs_dw = weight is not None and ctx.needs_input_grad[1]
        dx, dw = torch.ops.tilewright.rms_norm_bwd(grad, h, weight, rstd, grad_h, needs_dw, ctx.impl)
        dw = dw if needs_dw else None
    return dx, dw, dx if ctx.has_residual else None, None, None


_bwd_op = register(
    "rms_norm_bwd",
    "(Tensor grad, Tensor h, Tensor? weight, Tensor rstd, Tensor? grad_h, bool needs_dw, str impl) -> (Tensor, Tensor)",
    _bwd,
    _bwd_fake,
    flops=lambda grad, h, *_, **__: 9 * torch.Size(h).numel(),
)
_fwd_op = register(
    "rms_norm",
    "(Tensor x, Tensor? weight, Tensor? residual, float eps, str impl) -> (Tensor, Tensor, Tensor)",
    _fwd,
    _fwd_fake,
    setup_context=_setup_context,
    backward=_backward,
    flops=lambda x, *_, **__: 4 * torch.Size(x).numel(),
)


def rms_norm(
    x: torch.Tensor, weight: Maybe = None, residual: Maybe = None, eps: float = 1e-6, *, impl: str | None = None
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """RMS-normalise the last axis of `x`.

    x (..., N) floating; weight (N,) floating or None; residual like x or None. Returns out (..., N), contiguous, in the
    dtype of x; with a residual, (out, x + residual). Statistics are float32 (float64 for float64) also under autocast.
    `impl` is "reference", "cpp" (forward; its gradients are computed by PyTorch) or "triton"; by default the fastest
    for the device. TypeError or ValueError say which argument breaks the contract.
    """
    if not x.is_floating_point() or x.dim() == 0:
        raise TypeError(f"rms_norm: x must be floating with at least one axis, not {x.dtype} of shape {tuple(x.shape)}")
    if weight is not None:
        if weight.dim() != 1 or weight.shape[0] != x.shape[-1]:
            raise ValueError(f"rms_norm: weight must have shape ({x.shape[-1]},), not {tuple(weight.shape)}")
        if weight.device != x.device or not weight.is_floating_point():
            raise ValueError(f"rms_norm: weight must be floating on {x.device}, not {weight.dtype} on {weight.device}")
    if residual is not None and (residual.shape != x.shape or residual.dtype != x.dtype or residual.device != x.device):
        raise ValueError(
            f"rms_norm: residual must be like x, {x.dtype} {tuple(x.shape)} on {x.device}, "
            f"not {residual.dtype} {tuple(residual.shape)} on {residual.device}"
        )
    chosen = choose_impl("rms_norm", impl, x, IMPLS)
    if chosen == "reference":
        return reference(x, weight, residual, eps)
    out, h, _ = _fwd_op(x, weight, residual, eps, chosen)
    return out if residual is None else (out, h)


def edges() -> tuple[Workload, ...]:
    """Small and awkward: single elements, odd and empty axes, a length past every power of two, rows walked twice."""
    sizes = [(1, 1), (3, 1), (1, 7), (5, 127), (2, 1000), (0, 16), (4, 0), (3, 2049), (2, FORWARD_ROW + 3)]
    plain = [Workload(name=f"edge_{M}x{N}", axes={"M": M, "N": N}) for M, N in sizes]
    added = [w.with_(name=f"{w.name}_residual", params={"residual": True}) for w in plain if w.axes["N"] in (7, 127, 0)]
    bare = plain[3].with_(name="edge_5x127_no_weight", params={"weight": False, "eps": 1e-5})
    return (*plain, *added, bare)


def _workload(name: str, M: int, N: int, source: str, dtype: str = "bfloat16", **params: Any) -> Workload:
    return Workload(name=name, axes={"M": M, "N": N}, dtype=dtype, params=params, source=source)


PROBLEM = Problem(
    name="rms_norm",
    outputs=("out", "h"),
    grads=("x", "weight", "residual"),
    rounds_to_dtype=True,  # h is rounded before its statistic is taken
    invariants=("deterministic",),
    reference=reference,
    inputs=inputs,
    cost=cost,
    edges=edges,
    impls={"reference": reference, **{name: partial(rms_norm, impl=name) for name in IMPLS[1:]}},
    workloads=(
        _workload("llama3_8b_prefill", 4096, 4096, "Llama-3-8B, 4096 tokens", residual=True, eps=1e-5),
        _workload("llama3_8b_decode", 32, 4096, "Llama-3-8B, batch 32, one token each", residual=True, eps=1e-5),
        _workload("llama3_70b_prefill", 4096, 8192, "Llama-3-70B, 4096 tokens", residual=True, eps=1e-5),
        _workload("llama3_405b_prefill", 2048, 16384, "Llama-3.1-405B, 2048 tokens", eps=1e-5),
        _workload("qwen3_8b_qk_norm", 4096 * 32, 128, "Qwen3-8B, query heads of 4096 tokens"),
        _workload("gemma2_9b_prefill", 4096, 3584, "Gemma-2-9B, 4096 tokens"),
        _workload("llama3_8b_cpu", 1024, 4096, "Llama-3-8B, 1024 tokens", dtype="float32", residual=True, eps=1e-5),
        _workload("long_rows", 2048, 32768, "a stress shape: rows that fill a register file"),
        _workload("longer_rows", 1024, 65536, "a stress shape: rows that no register file holds"),
    ),
    space=Space(
        parameters=(
            *PARAMETERS,
            Parameter(name="waves", values=(1, 2, 4), default=1),
            Parameter(name="stages", values=(1, 2, 3), default=1),
        )
    ),
)
