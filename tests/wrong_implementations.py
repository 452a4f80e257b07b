"""Implementations to prove the judge with: wrong ones, each a mistake that kernels are known to make, and honest ones
that compute in deliberately different ways. What every operator can get wrong is here; wrong_<operator>.py holds lists
WRONG and HONEST of its own. All have the signature of their operator's reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

Tensor = torch.Tensor
ALL = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Implementation:
    """`fn` and the dtypes it is meant for; `why` says what hides it in the others."""

    name: str
    fn: Callable[..., Any]
    dtypes: tuple[str, ...] = ALL
    why: str = ""


def on_first(change: Callable[[Tensor], Tensor]) -> Callable[[Any], Any]:
    """Apply `change` to the first output of a call, whatever else it returns."""
    return lambda out: (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)


def tf32(x: Tensor) -> Tensor:
    """float32 rounded to the 10 fraction bits that tensor cores keep."""
    bits = x.float().contiguous().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


def running_sum(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Sum over the last axis, one term after the other, rounding to `dtype` each time; keeps the axis."""
    total = torch.zeros(x.shape[:-1], dtype=dtype)
    for term in x.unbind(-1):
        total = (total.float() + term.float()).to(dtype) if dtype != torch.float32 else total + term
    return total.float().unsqueeze(-1)


def zero_42_percent(y: Tensor) -> Tensor:
    return y * (torch.rand(y.shape, generator=torch.Generator().manual_seed(1)) > 0.42).to(y.dtype)


def drop_last_column(y: Tensor) -> Tensor:
    return torch.cat([y[..., :-1], torch.zeros_like(y[..., -1:])], -1)


def generic(reference: Callable[..., Any]) -> list[Implementation]:
    """Mistakes that any operator can have, made on the results of its reference."""

    def after(change: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
        return lambda *args: on_first(change)(reference(*args))

    def copy(*args: Any) -> Any:
        x = args[0]
        make = lambda y: x.clone() if x.shape == y.shape else x[..., :1].expand(y.shape).clone()  # noqa: E731
        return on_first(make)(reference(*args))

    return [
        Implementation("zeros", after(torch.zeros_like)),
        Implementation("copy of the input", copy),
        Implementation("last column dropped", after(drop_last_column)),
        Implementation("42 % zeroed", after(zero_42_percent)),
        Implementation("off by one column", after(lambda y: y.roll(1, -1))),
        Implementation("off by one row", after(lambda y: y.roll(1, 0))),
        Implementation("scaled by 1.01", after(lambda y: (y.double() * 1.01).to(y.dtype))),
        Implementation(
            "one row scaled by 1.05", after(lambda y: torch.cat([y[:-1], (y[-1:].double() * 1.05).to(y.dtype)]))
        ),
        Implementation("one element wrong", after(lambda y: torch.where(_only_first(y), y + y.abs().amax(), y))),
    ]


def _only_first(y: Tensor) -> Tensor:
    return (torch.arange(y.numel()) == y.numel() // 2).view(y.shape)


def lanes(x: Tensor, count: int) -> Tensor:
    """Sum over the last axis by `count` running sums, added up at the end; keeps the axis."""
    padded = functional.pad(x, (0, -x.shape[-1] % count))
    parts = padded.unflatten(-1, (-1, count)).transpose(-1, -2)
    return running_sum(running_sum(parts, torch.float32).squeeze(-1), torch.float32)
