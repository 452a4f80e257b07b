"""Matrix product with an optional bias and activation in its epilogue.

    pre = a @ b + bias
    out = activation(pre)          activation: none, relu, gelu (with erf, torch's default) or silu

Axes: M rows of a, N columns of b, K the summed axis. Bound: the matrix units for large M, N and K; the bytes of b for
small M. Sums are float32; bias and activation are applied to them before the one rounding at the end. Tiles are walked
in groups of rows so that neighbouring programs share a and b in L2, and one program may walk several tiles
(`programs`), which makes the kernel persistent where that pays. Both operands are read through their strides: a
transposed weight is no copy. On Hopper and Blackwell 16-bit operands with 16-byte rows go through the tensor memory
accelerator. Backward runs this same kernel: da = dpre @ b^T, db = a^T @ dpre; dbias is a row sum and
dpre an elementwise pass, both by PyTorch; relu takes its mask from out, gelu and silu keep pre when a gradient is
wanted.

Source: the grouped order follows Triton's matmul tutorial; epilogue fusion as in CUTLASS.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl
from torch.nn import functional
from triton.tools.tensor_descriptor import TensorDescriptor

from ..problem import Cost, Inputs, Parameter, Problem, Space, Workload
from ._lib.impls import choose_impl, require_triton
from ._lib.launch import arch_of, multiprocessors_of, next_power_of_2, on_device
from ._lib.registration import differentiable_grads, register
from ._lib.settings import choose

IMPLS = ("reference", "triton")
ACTIVATIONS = {"none": lambda x: x, "relu": torch.relu, "gelu": functional.gelu, "silu": functional.silu}


def reference(
    a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None = None, activation: str | None = None
) -> torch.Tensor:
    """a (..., M, K), b (K, N), bias (N,) -> activation(a @ b + bias), (..., M, N)."""
    return ACTIVATIONS[activation or "none"](functional.linear(a, b.mT, bias))


def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
    """Activations of unit scale and a weight of scale 1/sqrt(K), so that outputs have unit scale; b is the transpose
    of a (N, K) weight, as a linear layer stores it."""
    M, N, K = (workload.axes[axis] for axis in "MNK")
    dtype = getattr(torch, workload.dtype)
    a = torch.randn(M, K, generator=generator)
    weight = torch.randn(N, K, generator=generator) / max(K, 1) ** 0.5
    bias = torch.randn(N, generator=generator).to(dtype) if workload.params.get("bias", False) else None
    args = {"a": a.to(dtype), "b": weight.to(dtype).mT, "bias": bias}
    return Inputs({**args, "activation": workload.params.get("activation")})


def cost(workload: Workload) -> Cost:
    """Each operand is read once and out written once; one fused multiply-add per (m, n, k)."""
    M, N, K = (workload.axes[axis] for axis in "MNK")
    size = getattr(torch, workload.dtype).itemsize
    biased = bool(workload.params.get("bias", False))
    special = M * N if workload.params.get("activation") in ("gelu", "silu") else 0
    return Cost(
        bytes_read=(M * K + K * N + biased * N) * size,
        bytes_written=M * N * size,
        flops={workload.dtype: 2 * M * N * K},
        special=special,
        derivation="a, b and bias in once, out once; 2*M*N*K operations; one erf or exp per output of gelu and silu",
    )


# ---- kernels -------------------------------------------------------------------------------------------------------


@triton.jit
def _activate(x, ACTIVATION: tl.constexpr):
    if ACTIVATION == "relu":
        x = tl.where(x < 0.0, 0.0, x)  # not a maximum: NaN must stay NaN
    elif ACTIVATION == "gelu":
        x = 0.5 * x * (1.0 + tl.erf(x * 0.7071067811865476))
    elif ACTIVATION == "silu":
        x = x / (1.0 + tl.exp(-x))
    return x


@triton.jit(do_not_specialize=["M"])
def _gemm_fwd_kernel(
    a_ptr, b_ptr, bias_ptr, out_ptr, pre_ptr, M, N, K, a_m_stride, a_k_stride, b_k_stride, b_n_stride,
    HAS_BIAS: tl.constexpr, KEEP_PRE: tl.constexpr, ACTIVATION: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP_M: tl.constexpr, EVEN_K: tl.constexpr,
):  # fmt: skip
    tiles_m, tiles_n = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    for tile in range(tl.program_id(0), tiles_m * tiles_n, tl.num_programs(0)):
        # Tiles go down GROUP_M rows of tiles before they go right, so that a and b are shared in L2.
        first_m = tile // (GROUP_M * tiles_n) * GROUP_M
        group = tl.minimum(tiles_m - first_m, GROUP_M)
        tile_m = first_m + tile % (GROUP_M * tiles_n) % group
        tile_n = tile % (GROUP_M * tiles_n) // group
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
        out = _activate(acc, ACTIVATION)
        tl.store(out_ptr + offsets, out.to(out_ptr.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["M"])
def _gemm_fwd_tma_kernel(
    a_desc, b_desc, bias_ptr, out_desc, pre_desc, M, N, K,
    A_COLUMNS: tl.constexpr, B_COLUMNS: tl.constexpr, HAS_BIAS: tl.constexpr, KEEP_PRE: tl.constexpr,
    ACTIVATION: tl.constexpr, PRECISION: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP_M: tl.constexpr,
):  # fmt: skip
    # The same walk with the tensor memory accelerator: descriptors keep addresses and masks out of the registers.
    tiles_m, tiles_n = tl.cdiv(M, BLOCK_M), tl.cdiv(N, BLOCK_N)
    for tile in range(tl.program_id(0), tiles_m * tiles_n, tl.num_programs(0)):
        first_m = tile // (GROUP_M * tiles_n) * GROUP_M
        group = tl.minimum(tiles_m - first_m, GROUP_M)
        row = (first_m + tile % (GROUP_M * tiles_n) % group) * BLOCK_M
        col = (tile % (GROUP_M * tiles_n) // group) * BLOCK_N
        acc = tl.zeros([BLOCK_M, BLOCK_N], dtype=tl.float32)
        for start in range(0, K, BLOCK_K):
            a = a_desc.load([start, row]).T if A_COLUMNS else a_desc.load([row, start])
            b = b_desc.load([col, start]).T if B_COLUMNS else b_desc.load([start, col])
            acc = tl.dot(a, b, acc, input_precision=PRECISION)
        if HAS_BIAS:
            cols = col + tl.arange(0, BLOCK_N)
            acc += tl.load(bias_ptr + cols, mask=cols < N, other=0.0).to(tl.float32)[None, :]
        if KEEP_PRE:
            pre_desc.store([row, col], acc.to(pre_desc.dtype))
        out_desc.store([row, col], _activate(acc, ACTIVATION).to(out_desc.dtype))


# ---- launchers -----------------------------------------------------------------------------------------------------

Maybe = torch.Tensor | None


def default_settings(M: int, N: int, K: int, dtype: str, arch: str, tma: bool) -> dict[str, int]:
    """Derived, not tuned. 128x256 sums fill 8 warps' registers to 128 each, which leaves room only where descriptors
    hold the addresses; three stages of 48 KiB and the staged output fit 227 KiB. 128x128 elsewhere, two stages in AMD's
    64 KiB; float32, which has no exact matrix unit, takes 64x64. A few rows are bound by the bytes of b: narrow tiles
    spread them over more units, long ones keep more in flight. A dimension smaller than the tile shrinks it."""
    amd = arch.startswith("gfx")
    if dtype == "float32":
        tile = {"block_m": 64, "block_n": 64, "block_k": 32, "warps": 4, "stages": 2}
    elif M <= 64:
        tile = {"block_m": 64, "block_n": 64, "block_k": 128, "warps": 4, "stages": 2 if amd else 3}
    elif tma and M > 128 and N >= 4096:
        tile = {"block_m": 128, "block_n": 256, "block_k": 64, "warps": 8, "stages": 3}
    else:
        tile = {"block_m": 128, "block_n": 128, "block_k": 64, "warps": 8, "stages": 2 if amd else 3}
    tile["block_m"] = min(tile["block_m"], max(16, next_power_of_2(M)))
    tile["block_n"] = min(tile["block_n"], max(32, next_power_of_2(N)))
    tile["block_k"] = min(tile["block_k"], max(32, next_power_of_2(K)))
    if tile["block_m"] * tile["block_n"] <= 4096:
        tile["warps"] = 4
    return {**tile, "group": 8, "programs": 0}


def _by_rows(x: torch.Tensor) -> torch.Tensor | None:
    """Return `x` or its transpose, whichever has a contiguous last axis and 16-byte rows, or None."""
    for view in (x, x.mT):
        aligned = view.stride(0) * x.element_size() % 16 == 0 and x.data_ptr() % 16 == 0
        if view.stride(1) == 1 and aligned and view.stride(0) >= view.shape[1]:
            return view
    return None


def _launch(a: torch.Tensor, b: torch.Tensor, bias: Maybe, out: torch.Tensor, pre: Maybe, activation: str) -> None:
    (M, K), N = a.shape, b.shape[1]
    dtype, arch = str(a.dtype).removeprefix("torch."), arch_of(a)
    # Interpreted kernels take the descriptors too, so that a CPU checks what Hopper and Blackwell run.
    a_rows, b_rows = _by_rows(a), _by_rows(b)
    tma = arch in ("sm90", "sm100", "cpu") and a_rows is not None and b_rows is not None and K > 0
    tma = tma and a.element_size() == 2 and _by_rows(out) is out
    axes = {"M": M, "N": N, "K": K}
    set_ = choose("gemm", arch, "fwd_tma" if tma else "fwd", dtype, axes, default_settings(M, N, K, dtype, arch, tma))
    block_m, block_n, block_k = set_["block_m"], set_["block_n"], set_["block_k"]
    tiles = triton.cdiv(M, block_m) * triton.cdiv(N, block_n)
    grid = (min(tiles, set_["programs"] * multiprocessors_of(a)) if set_["programs"] else tiles,)
    shared = {
        "HAS_BIAS": bias is not None, "KEEP_PRE": pre is not None, "ACTIVATION": activation,
        "PRECISION": "tf32" if torch.backends.cuda.matmul.allow_tf32 else "ieee",
        "BLOCK_M": block_m, "BLOCK_N": block_n, "BLOCK_K": block_k, "GROUP_M": set_["group"],
        "num_warps": set_["warps"], "num_stages": set_["stages"],
    }  # fmt: skip
    if not tma:
        strides = (a.stride(0), a.stride(1), b.stride(0), b.stride(1))
        _gemm_fwd_kernel[grid](a, b, bias, out, pre, M, N, K, *strides, EVEN_K=K % block_k == 0, **shared)
        return
    a_columns, b_columns = a_rows is not a, b_rows is not b
    describe = TensorDescriptor.from_tensor
    _gemm_fwd_tma_kernel[grid](
        describe(a_rows, [block_k, block_m] if a_columns else [block_m, block_k]),
        describe(b_rows, [block_n, block_k] if b_columns else [block_k, block_n]),
        bias, describe(out, [block_m, block_n]), None if pre is None else describe(pre, [block_m, block_n]),
        M, N, K, A_COLUMNS=a_columns, B_COLUMNS=b_columns, **shared,
    )  # fmt: skip


def _fwd(
    a: torch.Tensor, b: torch.Tensor, bias: Maybe, activation: str, keep_pre: bool, impl: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """a (M, K), b (K, N), bias (N,) -> out (M, N), and pre (M, N) if `keep_pre`, else empty. Contiguous."""
    out, pre = _fwd_fake(a, b, bias, activation, keep_pre, impl)
    if out.numel():
        require_triton("gemm", a)
        with on_device(a):
            _launch(a, b, None if bias is None else bias.contiguous(), out, pre if keep_pre else None, activation)
    return out, pre


def _fwd_fake(
    a: torch.Tensor, b: torch.Tensor, bias: Maybe, activation: str, keep_pre: bool, impl: str
) -> tuple[torch.Tensor, torch.Tensor]:
    shape = (a.shape[0], b.shape[1])
    return a.new_empty(shape), a.new_empty(shape if keep_pre else 0)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, torch.Tensor]) -> None:
    a, b, bias, ctx.activation, keep_pre, ctx.impl = inputs
    out, pre = output
    ctx.mark_non_differentiable(pre)
    ctx.set_materialize_grads(False)
    if ctx.activation in ("gelu", "silu") and not keep_pre:
        raise RuntimeError(f"gemm: the gradient of {ctx.activation} needs pre; call the operator with keep_pre=True")
    kept = {"relu": out, "gelu": pre, "silu": pre}.get(ctx.activation)
    ctx.save_for_backward(a, b, bias, kept)


def _backward(ctx: Any, grad: Maybe, _: Maybe) -> tuple[Any, ...]:
    if grad is None:
        return (None,) * 6
    a, b, bias, kept = ctx.saved_tensors
    if torch.is_grad_enabled():  # create_graph=True
        da, db, dbias, _ = differentiable_grads(reference, (a, b, bias, ctx.activation), (grad,))
        return da, db, dbias, None, None, None
    if ctx.activation == "relu":
        grad = torch.ops.aten.threshold_backward(grad, kept, 0)
    elif ctx.activation == "gelu":
        grad = torch.ops.aten.gelu_backward(grad, kept)
    elif ctx.activation == "silu":
        grad = torch.ops.aten.silu_backward(grad, kept)
    multiply = partial(torch.ops.tilewright.gemm, bias=None, activation="none", keep_pre=False, impl=ctx.impl)
    da = multiply(grad, b.mT)[0] if ctx.needs_input_grad[0] else None
    db = multiply(a.mT, grad)[0] if ctx.needs_input_grad[1] else None
    dbias = grad.sum(0) if bias is not None and ctx.needs_input_grad[2] else None
    return da, db, dbias, None, None, None


_fwd_op = register(
    "gemm",
    "(Tensor a, Tensor b, Tensor? bias, str activation, bool keep_pre, str impl) -> (Tensor, Tensor)",
    _fwd,
    _fwd_fake,
    setup_context=_setup_context,
    backward=_backward,
    flops=lambda a, b, *_, **__: 2 * a[0] * a[1] * b[1],
)


def gemm(
    a: torch.Tensor, b: torch.Tensor, bias: Maybe = None, activation: str | None = None, *, impl: str | None = None
) -> torch.Tensor:
    """activation(a @ b + bias).

    a (..., M, K), b (K, N) of any strides, bias (N,) or None, all of one floating dtype and device; under autocast they
    are cast to its dtype first. `activation` is None, "relu", "gelu" or "silu". Returns (..., M, N) in the dtype of a.
    Sums are float32; float32 inputs are multiplied exactly unless torch allows TF32. `impl` is "reference" or "triton";
    by default "triton" on a GPU. TypeError or ValueError say which argument breaks the contract.
    """
    if torch.is_autocast_enabled(a.device.type) and a.dtype != torch.float64:
        narrow = torch.get_autocast_dtype(a.device.type)
        a, b, bias = a.to(narrow), b.to(narrow), None if bias is None else bias.to(narrow)
    if a.dim() < 2 or b.dim() != 2 or a.shape[-1] != b.shape[0]:
        raise ValueError(f"gemm: a must be (..., M, K) and b (K, N), not {tuple(a.shape)} and {tuple(b.shape)}")
    if not a.is_floating_point() or b.dtype != a.dtype or b.device != a.device:
        raise TypeError(f"gemm: a and b must share a floating dtype and device, not {a.dtype} on {a.device} "
                        f"and {b.dtype} on {b.device}")  # fmt: skip
    if bias is not None and (bias.shape != b.shape[1:] or bias.dtype != a.dtype or bias.device != a.device):
        raise ValueError(f"gemm: bias must be {a.dtype} of shape ({b.shape[1]},) on {a.device}, "
                         f"not {bias.dtype} of shape {tuple(bias.shape)} on {bias.device}")  # fmt: skip
    kind = activation or "none"
    if kind not in ACTIVATIONS:
        raise ValueError(f"gemm: activation must be one of {', '.join(ACTIVATIONS)}, not {activation!r}")
    chosen = choose_impl("gemm", impl, a, IMPLS)
    if chosen == "reference":
        return reference(a, b, bias, activation)
    wants_grad = torch.is_grad_enabled() and (
        a.requires_grad or b.requires_grad or (bias is not None and bias.requires_grad)
    )
    keep_pre = wants_grad and kind in ("gelu", "silu")
    out, _ = _fwd_op(a.flatten(0, -2), b, bias, kind, keep_pre, chosen)
    return out.reshape(*a.shape[:-1], b.shape[1])


def edges() -> tuple[Workload, ...]:
    """Small and awkward: single elements, odd and empty axes (an empty K sums to zero), every activation."""
    odd = [(1, 1, 1), (3, 1, 5), (1, 33, 7), (17, 65, 31), (33, 40, 257), (64, 64, 64)]
    sizes = [*odd, (0, 16, 8), (4, 0, 8), (4, 8, 0)]
    plain = [
        Workload(name=f"edge_{M}x{N}x{K}", axes={"M": M, "N": N, "K": K}, params={"bias": i % 2 == 1})
        for i, (M, N, K) in enumerate(sizes)
    ]
    fused = [
        base.with_(name=f"{base.name}_{activation}", params={"bias": True, "activation": activation})
        for activation in ("relu", "gelu", "silu")
        for base in (plain[3], plain[5])
    ]
    return (*plain, *fused)


def _workload(name: str, M: int, N: int, K: int, source: str, dtype: str = "bfloat16", **params: Any) -> Workload:
    return Workload(name=name, axes={"M": M, "N": N, "K": K}, dtype=dtype, params=params, source=source)


PROBLEM = Problem(
    name="gemm",
    grads=("a", "b", "bias"),
    invariants=("deterministic",),
    reference=reference,
    inputs=inputs,
    cost=cost,
    edges=edges,
    impls={"reference": reference, "triton": partial(gemm, impl="triton")},
    workloads=(
        _workload("llama3_8b_qkv_prefill", 4096, 6144, 4096, "Llama-3-8B, query, key and value of 4096 tokens"),
        _workload("llama3_8b_gate_prefill", 4096, 14336, 4096, "Llama-3-8B, gate projection", activation="silu"),
        _workload("llama3_8b_down_prefill", 4096, 4096, 14336, "Llama-3-8B, down projection of 4096 tokens"),
        _workload("llama3_70b_gate_prefill", 4096, 28672, 8192, "Llama-3-70B, gate projection of 4096 tokens"),
        _workload("llama3_8b_qkv_decode", 16, 6144, 4096, "Llama-3-8B, batch 16, one token each"),
        _workload("gpt2_mlp", 1024, 3072, 768, "GPT-2, MLP", dtype="float16", bias=True, activation="gelu"),
        _workload("square_8192", 8192, 8192, 8192, "the shape that matrix units are rated on"),
        _workload("gpt2_mlp_cpu", 512, 3072, 768, "GPT-2, 512 tokens", dtype="float32", bias=True, activation="gelu"),
    ),
    space=Space(
        parameters=(
            Parameter(name="block_m", values=(16, 32, 64, 128, 256), default=128),
            Parameter(name="block_n", values=(32, 64, 128, 256), default=128),
            Parameter(name="block_k", values=(32, 64, 128), default=64),
            Parameter(name="warps", values=(4, 8), default=8),
            Parameter(name="stages", values=(2, 3, 4, 5), default=3),
            Parameter(name="group", values=(1, 4, 8, 16), default=8),
            Parameter(name="programs", values=(0, 1, 2), default=0),
        ),
        constraints=("block_m * block_n <= 32768", "(block_m + block_n) * block_k * 2 * stages <= 232448"),
    ),
)
