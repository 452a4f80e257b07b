"""Softmax along one axis.

    y = exp(x - max(x)) / sum(exp(x - max(x)))

Axes: M rows, N entries of the softmax axis. Bound: memory. One read of x and one write of y; one exponential per entry
matters only for very short dtypes. Rows up to a few ten thousand entries stay in registers; longer rows (vocabularies)
are walked twice, with the running maximum and sum of Milakov and Gimelshein, and the second walk mostly hits L2.
Backward is dx = y * (dy - sum(y * dy)): y and dy read once, dx written once.

Source: Milakov and Gimelshein 2018, "Online normalizer calculation for softmax".
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl

from ...problem import Cost, Inputs, Problem, Space, Workload
from .._lib import cpp_rows
from .._lib.impls import choose_impl, require_triton
from .._lib.launch import as_rows, next_power_of_2, on_device
from .._lib.registration import differentiable_grads, register
from .._lib.rows import PARAMETERS, launch_of, load_part, load_rows, settings_of, store_part, store_rows
from . import cuda

IMPLS = ("reference", "cpp", "cuda", "triton")
# Longest row whose entries a program keeps in registers by default.
FORWARD_ROW, BACKWARD_ROW = 16384, 8192


def reference(x: torch.Tensor, dim: int = -1, dtype: torch.dtype | None = None) -> torch.Tensor:
    """x of any shape -> its softmax along `dim`, in `dtype` (default: the dtype of x)."""
    return torch.softmax(x, dim, dtype=dtype)


def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
    """Logits with a spread of `scale` (default 3: attention scores and language-model heads lie between 1 and 10)."""
    M, N = workload.axes["M"], workload.axes["N"]
    dim, scale = workload.params.get("dim", -1), workload.params.get("scale", 3.0)
    assert isinstance(scale, float | int)
    shape = (M, N) if dim == -1 else (N, M)
    x = torch.randn(shape, generator=generator) * scale
    return Inputs({"x": x.to(getattr(torch, workload.dtype)), "dim": dim})


def cost(workload: Workload) -> Cost:
    """x read once and y written once; maximum, difference, sum and product per entry, and one exponential."""
    entries = workload.axes["M"] * workload.axes["N"]
    size = getattr(torch, workload.dtype).itemsize
    return Cost(
        bytes_read=entries * size,
        bytes_written=entries * size,
        flops={"float64" if workload.dtype == "float64" else "float32": 4 * entries},
        special=entries,
        derivation="x in, y out; max, subtract, sum, scale and one exp per entry",
    )


# ---- kernels -------------------------------------------------------------------------------------------------------


@triton.jit(do_not_specialize=["M"])
def _softmax_fwd_kernel(
    x_ptr, y_ptr, M, N, x_stride,
    FULL: tl.constexpr, HOLD: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M).to(tl.int64)
    cols = tl.arange(0, BLOCK_N)
    x = load_rows(x_ptr, rows, cols, x_stride, M, N, -float("inf"), FULL, HOLD)
    # A narrower output dtype means, as in torch, that the input is rounded to it first.
    wide = x.to(y_ptr.dtype.element_ty).to(tl.float32)
    powers = tl.exp(wide - tl.max(wide, axis=1)[:, None])
    y = powers * (1.0 / tl.sum(powers, axis=1))[:, None]
    store_rows(y_ptr, y, rows, cols, N, M, N, FULL)


@triton.jit
def _softmax_fwd_long_kernel(
    x_ptr, y_ptr, N, x_stride, FULL: tl.constexpr, BLOCK_N: tl.constexpr, BLOCKS: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    # Eight neighbours, one load of one thread, share a running maximum and sum: no step waits for other threads, and
    # an old sum is scaled once for eight entries. Maxima begin with the least float: shifting by -inf, while nothing
    # else has been seen, would make NaN of a row whose beginning is masked.
    parts = tl.arange(0, BLOCK_N // 8)[:, None] * 8 + tl.arange(0, 8)[None, :]
    tops = tl.full([BLOCK_N // 8], -3.4028234663852886e38, dtype=tl.float32)
    sums = tl.zeros([BLOCK_N // 8], dtype=tl.float32)
    for start in range(0, BLOCKS * BLOCK_N, BLOCK_N):
        x = load_part(x_ptr + row * x_stride, start + parts, N, -float("inf"), FULL, True)
        wide = x.to(y_ptr.dtype.element_ty).to(tl.float32)
        higher = tl.maximum(tops, tl.max(wide, axis=1))
        sums = sums * tl.exp(tops - higher) + tl.sum(tl.exp(wide - higher[:, None]), axis=1)
        tops = higher
    top = tl.max(tops, axis=0)
    scale = 1.0 / tl.sum(sums * tl.exp(tops - top), axis=0)
    for start in range(0, BLOCKS * BLOCK_N, BLOCK_N):
        x = load_part(x_ptr + row * x_stride, start + parts, N, -float("inf"), FULL, False)
        wide = x.to(y_ptr.dtype.element_ty).to(tl.float32)
        store_part(y_ptr + row * N, tl.exp(wide - top) * scale, start + parts, N, FULL)


@triton.jit(do_not_specialize=["M"])
def _softmax_bwd_kernel(
    grad_ptr, y_ptr, dx_ptr, M, N, grad_stride,
    FULL: tl.constexpr, HOLD: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M).to(tl.int64)
    cols = tl.arange(0, BLOCK_N)
    grad = load_rows(grad_ptr, rows, cols, grad_stride, M, N, 0.0, FULL, HOLD).to(tl.float32)
    y = load_rows(y_ptr, rows, cols, N, M, N, 0.0, FULL, HOLD).to(tl.float32)
    dx = y * (grad - tl.sum(y * grad, axis=1)[:, None])
    store_rows(dx_ptr, dx, rows, cols, N, M, N, FULL)


@triton.jit
def _softmax_bwd_long_kernel(
    grad_ptr, y_ptr, dx_ptr, N, grad_stride, FULL: tl.constexpr, BLOCK_N: tl.constexpr, BLOCKS: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    products = tl.zeros([BLOCK_N], dtype=tl.float32)
    for start in range(0, BLOCKS * BLOCK_N, BLOCK_N):
        cols = start + tl.arange(0, BLOCK_N)
        grad = load_part(grad_ptr + row * grad_stride, cols, N, 0.0, FULL, True).to(tl.float32)
        products += grad * load_part(y_ptr + row * N, cols, N, 0.0, FULL, True).to(tl.float32)
    total = tl.sum(products, axis=0)
    for start in range(0, BLOCKS * BLOCK_N, BLOCK_N):
        cols = start + tl.arange(0, BLOCK_N)
        grad = load_part(grad_ptr + row * grad_stride, cols, N, 0.0, FULL, False).to(tl.float32)
        y = load_part(y_ptr + row * N, cols, N, 0.0, FULL, False).to(tl.float32)
        store_part(dx_ptr + row * N, y * (grad - total), cols, N, FULL)


SOURCE = r"""
#include <vector>

// exp(v) for v <= 0: v = n*ln2 + r, a degree 6 polynomial in r, and 2^n in two halves for the sake of subnormals.
static inline float exp_nonpositive(float v) {
    const float n = rintf(v * 1.44269504f);
    float r = v - n * 0.693359375f;
    r += n * 2.12194440e-4f;
    float p = 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const float bounded = n < -300.0f ? -300.0f : n;
    const int32_t k = (int32_t)(bounded == bounded ? bounded : 0.0f), half = k / 2;
    const int32_t low_bits = (half + 127) << 23, high_bits = (k - half + 127) << 23;
    float low, high;
    memcpy(&low, &low_bits, 4);
    memcpy(&high, &high_bits, 4);
    return v < -104.0f ? 0.0f : p * low * high;
}

ENTRY void softmax_fwd(const element_t* x, element_t* y, int64_t M, int64_t N, int64_t x_stride, int64_t threads) {
    advise_huge(y, M * N * (int64_t)sizeof(element_t));
    #pragma omp parallel num_threads(threads) if (M * N > 4096)
    {
        std::vector<float> row(N);
        float* powers = row.data();
        #pragma omp for schedule(static)
        for (int64_t m = 0; m < M; m++) {
            const element_t* in = x + m * x_stride;
            element_t* out = y + m * N;
            float top = -std::numeric_limits<float>::infinity();
            #pragma omp simd reduction(max : top)
            for (int64_t n = 0; n < N; n++) {
                const float v = widen(in[n]);
                top = v > top ? v : top;
            }
            float sum = 0.0f;
            #pragma omp simd reduction(+ : sum)
            for (int64_t n = 0; n < N; n++) {
                const float p = exp_nonpositive(widen(in[n]) - top);
                powers[n] = p;
                sum += p;
            }
            const float scale = 1.0f / sum;
            #pragma omp simd
            for (int64_t n = 0; n < N; n++) out[n] = narrow(powers[n] * scale);
        }
    }
}
"""


# ---- launchers -----------------------------------------------------------------------------------------------------


def default_settings(kernel: str, N: int) -> dict[str, int]:
    """Derived, not tuned: 16 entries of each matrix a thread (two 16-byte bf16 loads in flight), up to 32 backward;
    several short rows per program."""
    columns = next_power_of_2(N)
    if columns > (FORWARD_ROW if kernel == "fwd" else BACKWARD_ROW):  # noqa: SIM300
        return {"rows": 1, "warps": 8, "block": 4096}
    per_warp = 512 if kernel == "fwd" else 1024
    return {"rows": max(1, 2048 // columns), "warps": min(16, max(4, columns // per_warp))}


def _fwd(x: torch.Tensor, dtype: torch.dtype, impl: str) -> torch.Tensor:
    """x (..., N) -> its softmax along the last axis, contiguous, in `dtype`."""
    if impl in ("cpp", "cuda"):
        x = x.to(dtype)
    y = _fwd_fake(x, dtype, impl)
    if x.numel() == 0:
        return y
    rows = as_rows(x)
    M, N = rows.shape
    if impl == "cpp":
        cpp_rows.call(SOURCE, "softmax_fwd", dtype, rows, y, M, N, rows.stride(0), torch.get_num_threads())
        return y
    if impl == "cuda":
        with on_device(x):
            cuda.forward(rows, y)
        return y
    require_triton("softmax", x)
    programs, constants = launch_of(M, N, settings_of("softmax", "fwd", x, N, default_settings("fwd", N)))
    kernel = _softmax_fwd_kernel if constants["BLOCK_N"] >= N else _softmax_fwd_long_kernel
    sizes = (M, N) if kernel is _softmax_fwd_kernel else (N,)
    with on_device(x):
        kernel[(programs,)](rows, y, *sizes, rows.stride(0), **constants)
    return y


def _fwd_fake(x: torch.Tensor, dtype: torch.dtype, impl: str) -> torch.Tensor:
    return x.new_empty(x.shape, dtype=dtype)


def _bwd(grad: torch.Tensor, y: torch.Tensor, dtype: torch.dtype, impl: str) -> torch.Tensor:
    """Gradient of y (..., N) and y itself -> gradient of x in `dtype`. For impl "cpp" PyTorch computes it, for "cuda"
    the Triton kernels."""
    dx = _bwd_fake(grad, y, dtype, impl)
    if y.numel() == 0:
        return dx
    if impl == "cpp":
        wide, wide_grad = y.to(torch.float32), grad.to(torch.float32)
        return dx.copy_(wide * (wide_grad - (wide * wide_grad).sum(-1, keepdim=True)))
    require_triton("softmax", y)
    rows, grad_rows = as_rows(y), as_rows(grad)
    M, N = rows.shape
    programs, constants = launch_of(M, N, settings_of("softmax", "bwd", y, N, default_settings("bwd", N)))
    kernel = _softmax_bwd_kernel if constants["BLOCK_N"] >= N else _softmax_bwd_long_kernel
    sizes = (M, N) if kernel is _softmax_bwd_kernel else (N,)
    with on_device(y):
        kernel[(programs,)](grad_rows, rows, dx, *sizes, grad_rows.stride(0), **constants)
    return dx


def _bwd_fake(grad: torch.Tensor, y: torch.Tensor, dtype: torch.dtype, impl: str) -> torch.Tensor:
    return y.new_empty(y.shape, dtype=dtype)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, ctx.dtype, ctx.impl = inputs
    ctx.x_dtype = x.dtype
    ctx.save_for_backward(x, output)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    x, y = ctx.saved_tensors
    if torch.is_grad_enabled():  # create_graph=True
        dx, _, _ = differentiable_grads(reference, (x, -1, ctx.dtype), (grad,))
    else:
        dx = torch.ops.tilewright.softmax_bwd(grad, y, ctx.x_dtype, ctx.impl)
    return dx, None, None


_bwd_op = register(
    "softmax_bwd",
    "(Tensor grad, Tensor y, ScalarType dtype, str impl) -> Tensor",
    _bwd,
    _bwd_fake,
    flops=lambda grad, *_, **__: 4 * torch.Size(grad).numel(),
)
_fwd_op = register(
    "softmax",
    "(Tensor x, ScalarType dtype, str impl) -> Tensor",
    _fwd,
    _fwd_fake,
    setup_context=_setup_context,
    backward=_backward,
    flops=lambda x, *_, **__: 5 * torch.Size(x).numel(),
)


def softmax(
    x: torch.Tensor, dim: int = -1, dtype: torch.dtype | None = None, *, impl: str | None = None
) -> torch.Tensor:
    """Softmax of `x` along `dim`, as `torch.softmax`, contiguous.

    x of any shape, floating (or any dtype when `dtype` is given); `dtype` is the dtype of the result, which the input
    is rounded to first if it is narrower. Under autocast on a GPU a narrow input gives float32, as with torch. Another
    axis than the last costs two copies. `impl` is "reference", "cpp" (forward; its gradients are computed by PyTorch),
    "cuda" (forward; its gradients by the Triton kernels) or "triton"; by default the fastest for the device.
    """
    if dtype is None and not x.is_floating_point():
        raise TypeError(f"softmax: x must be floating, not {x.dtype}; or name the dtype of the result with dtype=")
    if not -max(x.dim(), 1) <= dim < max(x.dim(), 1):
        raise IndexError(f"softmax: dim={dim} is outside the {x.dim()} axes of x, shape {tuple(x.shape)}")
    narrow = x.dtype in (torch.float16, torch.bfloat16)
    if dtype is None:
        autocast = x.device.type == "cuda" and torch.is_autocast_enabled("cuda")  # on a CPU torch keeps the dtype
        dtype = torch.float32 if narrow and autocast else x.dtype
    x = x if x.is_floating_point() else x.to(dtype)
    chosen = choose_impl("softmax", impl, x, IMPLS)
    if chosen != "reference" and dtype not in (torch.float32, torch.float16, torch.bfloat16):
        if impl is not None:
            raise ValueError(f"softmax: impl={impl!r} gives float32, bfloat16 or float16, not {dtype}")
        chosen = "reference"
    if chosen == "reference":
        return reference(x, dim, dtype)
    if x.dim() == 0:
        return _fwd_op(x.reshape(1), dtype, chosen).reshape(())
    if dim in (-1, x.dim() - 1):
        return _fwd_op(x, dtype, chosen)
    return _fwd_op(x.movedim(dim, -1), dtype, chosen).movedim(-1, dim).contiguous()


def edges() -> tuple[Workload, ...]:
    """Small and awkward: single entries, odd and empty axes, powers of two and their neighbours, rows walked twice."""
    sizes = [(1, 1), (3, 1), (1, 7), (5, 127), (2, 1025), (0, 16), (4, 0), (9, 64), (2, FORWARD_ROW + 3)]
    plain = [Workload(name=f"edge_{M}x{N}", axes={"M": M, "N": N}) for M, N in sizes]
    wide = plain[3].with_(name="edge_5x127_wide", params={"scale": 40.0})
    return (*plain, wide, plain[3].with_(name="edge_5x127_first_axis", params={"dim": 0}))


def _workload(name: str, M: int, N: int, source: str, dtype: str = "bfloat16", **params: Any) -> Workload:
    return Workload(name=name, axes={"M": M, "N": N}, dtype=dtype, params=params, source=source)


PROBLEM = Problem(
    name="softmax",
    grads=("x",),
    invariants=("deterministic",),
    reference=reference,
    inputs=inputs,
    cost=cost,
    edges=edges,
    impls={"reference": reference, **{name: partial(softmax, impl=name) for name in IMPLS[1:]}},
    workloads=(
        _workload("llama3_8b_attention", 32 * 2048, 2048, "Llama-3-8B, 32 heads, 2048 queries and keys"),
        _workload("qwen3_8b_attention_8k", 32 * 256, 8192, "Qwen3-8B, 32 heads, 256 queries, 8192 keys"),
        _workload("gpt2_vocabulary", 1024, 50257, "GPT-2, logits of 1024 tokens", scale=5.0),
        _workload("llama3_vocabulary", 512, 128256, "Llama-3, logits of 512 tokens", scale=5.0),
        _workload("mixtral_router", 16384, 8, "Mixtral-8x7B, expert logits of 16384 tokens", scale=1.0),
        _workload("gemma2_9b_attention", 16 * 1024, 4096, "Gemma-2-9B, 16 heads, 1024 queries, 4096 keys"),
        _workload("gpt2_attention_cpu", 12 * 1024, 1024, "GPT-2, 12 heads, 1024 tokens", dtype="float32"),
    ),
    space=Space(parameters=PARAMETERS),
)
