"""Matrix product with an optional bias and activation in its epilogue.

    pre = a @ b + bias
    out = activation(pre)          activation: none, relu, gelu (with erf, torch's default) or silu

Axes: M rows of a, N columns of b, K the summed axis. Bound: the matrix units for large M, N and K; the bytes of b for
small M. Sums are float32; bias and activation are applied to them before the one rounding at the end. Tiles are walked
in groups of rows so that neighbouring programs share a and b in L2, and one program may walk several tiles. Both
operands are read as they lie: a transposed weight is no copy. On Hopper and Blackwell 16-bit operands with 16-byte rows
go through the tensor memory accelerator. Backward runs the same kernel: da = dpre @ b^T, db = a^T @ dpre; dbias is a
row sum and dpre an elementwise pass, both by PyTorch; relu takes its mask from out, gelu and silu keep pre when a
gradient is wanted.

The kernels are in `triton`, for every GPU, and in `gluon`, for Hopper. On Hopper large products run level with cuBLAS
by either; the Triton kernel is the default, being the one that also runs interpreted and elsewhere.

Source: the grouped order follows Triton's matmul tutorial; epilogue fusion as in CUTLASS.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from ...build.gluon import require_gluon
from ...problem import Cost, Inputs, Parameter, Problem, Space, Workload
from .._lib.impls import choose_impl, require_triton
from .._lib.launch import on_device
from .._lib.registration import differentiable_grads, register
from .triton import _gemm_fwd_kernel, _gemm_fwd_tma_kernel, launch  # noqa: F401 - kernels are looked for here

IMPLS = ("reference", "triton", "gluon")
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


# ---- registration -------------------------------------------------------------------------------------------------

Maybe = torch.Tensor | None


def _fwd(
    a: torch.Tensor, b: torch.Tensor, bias: Maybe, activation: str, keep_pre: bool, impl: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """a (M, K), b (K, N), bias (N,) -> out (M, N), and pre (M, N) if `keep_pre`, else empty. Contiguous."""
    out, pre = _fwd_fake(a, b, bias, activation, keep_pre, impl)
    if out.numel():
        run = _launcher(impl, a)
        with on_device(a):
            run(a, b, None if bias is None else bias.contiguous(), out, pre if keep_pre else None, activation)
    return out, pre


def _launcher(impl: str, a: torch.Tensor) -> Callable[..., None]:
    if impl == "triton":
        require_triton("gemm", a)
        return launch
    require_gluon()
    from .gluon import launch as launch_gluon

    return launch_gluon


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
    Sums are float32; float32 inputs are multiplied exactly unless torch allows TF32. `impl` is "reference", "triton" or
    "gluon" (16-bit on Hopper alone); by default "triton" on a GPU. TypeError or ValueError say which argument breaks
    the contract.
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
    if a.dim() == 2:
        return _fwd_op(a, b, bias, kind, keep_pre, chosen)[0]
    return _fwd_op(a.flatten(0, -2), b, bias, kind, keep_pre, chosen)[0].reshape(*a.shape[:-1], b.shape[1])


def edges() -> tuple[Workload, ...]:
    """Small and awkward: single elements, odd and empty axes (an empty K sums to zero), every activation. In bfloat16,
    as most workloads are; not every implementation takes float32."""
    odd = [(1, 1, 1), (3, 1, 5), (1, 33, 7), (17, 65, 31), (33, 40, 257), (64, 64, 64)]
    sizes = [*odd, (0, 16, 8), (4, 0, 8), (4, 8, 0)]
    plain = [
        Workload(name=f"edge_{M}x{N}x{K}", axes={"M": M, "N": N, "K": K}, dtype="bfloat16", params={"bias": i % 2 == 1})
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
    impls={"reference": reference, "triton": partial(gemm, impl="triton"), "gluon": partial(gemm, impl="gluon")},
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
            Parameter(name="stages", values=(2, 3, 4, 5, 6, 8), default=3),
            Parameter(name="group", values=(1, 4, 8, 16), default=8),
            Parameter(name="programs", values=(0, 1, 2, 3), default=0),
            Parameter(name="parts", values=(1, 2, 4), default=1),
            Parameter(name="flatten", values=(0, 1), default=0),
        ),
        constraints=("block_m * block_n <= 32768", "(block_m + block_n) * block_k * 2 * stages <= 232448"),
    ),
)
