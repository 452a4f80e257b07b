"""Low-level registration with `torch.library`.

`torch.library.custom_op` costs several microseconds a call before anything is launched; `Library.define` and `impl`
cost about two. The formulas registered here are what `torch.compile`, autograd and the FLOP counter see.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import register_flop_formula

LIBRARY = torch.library.Library("tilewright", "FRAGMENT")


def register(
    name: str,
    schema: str,
    kernel: Callable[..., Any],
    fake: Callable[..., Any],
    *,
    setup_context: Callable[..., None] | None = None,
    backward: Callable[..., Any] | None = None,
    flops: Callable[..., int] | None = None,
) -> Callable[..., Any]:
    """Define `tilewright::name` and return the callable operator.

    `schema` is the part after the name, `kernel` runs on CPU and CUDA tensors, `fake` returns empty outputs of the
    right shape, dtype and strides, `backward` with `setup_context` is the autograd formula, and `flops` takes the
    shapes of the arguments and returns floating point operations.
    """
    LIBRARY.define(f"{name}{schema}", tags=(torch.Tag.pt2_compliant_tag,))
    for key in ("CPU", "CUDA"):
        LIBRARY.impl(name, kernel, key)
    torch.library.register_fake(f"tilewright::{name}", fake, lib=LIBRARY)
    if backward is not None:
        torch.library.register_autograd(f"tilewright::{name}", backward, setup_context=setup_context, lib=LIBRARY)
    packet = getattr(torch.ops.tilewright, name)
    if flops is not None:
        register_flop_formula(packet)(flops)
    return packet.default


def differentiable_grads(
    reference: Callable[..., Any], arguments: tuple[Any, ...], grads: tuple[torch.Tensor | None, ...]
) -> tuple[torch.Tensor | None, ...]:
    """Return the gradients of `reference(*arguments)` as a graph that can be differentiated again.

    Used when a backward pass runs with `create_graph=True`: fused backward kernels have no formula of their own, and
    the reference has one of any order. Entries are None for arguments that need no gradient.
    """
    outputs = reference(*arguments)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    pairs = [(out, grad) for out, grad in zip(outputs, grads, strict=True) if grad is not None]
    wanted = [i for i, a in enumerate(arguments) if isinstance(a, torch.Tensor) and a.requires_grad]
    found = torch.autograd.grad(
        [out for out, _ in pairs],
        [arguments[i] for i in wanted],
        [grad for _, grad in pairs],
        create_graph=True,
        allow_unused=True,
    )
    results: list[torch.Tensor | None] = [None] * len(arguments)
    for i, grad in zip(wanted, found, strict=True):
        results[i] = grad
    return tuple(results)
