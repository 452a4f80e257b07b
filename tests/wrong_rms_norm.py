"""Wrong and honest rms_norm(x, weight, residual, eps) -> out or (out, h)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from wrong_implementations import Implementation, lanes, running_sum

Tensor = torch.Tensor


def rms_with(
    statistic: Callable[[Tensor, float], Tensor], finish: Callable[[Tensor, Tensor | None], Tensor] | None = None
) -> Callable[..., Any]:
    """rms_norm whose factor per row is `statistic(h, eps)` [M, 1]; `finish(normalised, weight)` applies the weight."""

    def run(x: Tensor, weight: Tensor | None, residual: Tensor | None, eps: float) -> Any:
        h = x if residual is None else x + residual
        wide = h.float()
        out = wide * statistic(wide, eps)
        w = None if weight is None else weight.float()
        out = finish(out, w) if finish else (out if w is None else out * w)
        return out.to(x.dtype) if residual is None else (out.to(x.dtype), h)

    return run


def mean_square(h: Tensor) -> Tensor:
    return h.square().mean(-1, keepdim=True)


def rms_other_residual(kind: str) -> Callable[..., Any]:
    honest = rms_with(lambda h, eps: torch.rsqrt(mean_square(h) + eps))

    def run(x: Tensor, weight: Tensor, residual: Tensor, eps: float) -> Any:
        out, h = honest(x, weight, residual, eps)
        if kind == "not added":
            return honest(x, weight, None, eps), h
        if kind == "added after":
            return honest(x, weight, None, eps) + residual, h
        if kind == "h is x":
            return out, x.clone()
        return out, out.clone()

    return run


def narrow_square_sum(h: Tensor, eps: float) -> Tensor:
    total = running_sum(h.bfloat16().square(), torch.bfloat16)
    return torch.rsqrt(total / h.shape[-1] + eps)


def unmasked_tail(h: Tensor, eps: float) -> Tensor:
    """A block of 64 reads past the row's end, into the next row."""
    extra = -h.shape[-1] % 64
    tail = h.roll(-1, 0)[..., :extra]
    return torch.rsqrt((h.square().sum(-1, keepdim=True) + tail.square().sum(-1, keepdim=True)) / h.shape[-1] + eps)


WRONG = [
    Implementation("epsilon outside the root", rms_with(lambda h, eps: 1 / (mean_square(h).sqrt() + eps))),
    Implementation("epsilon missing", rms_with(lambda h, eps: torch.rsqrt(mean_square(h)))),
    Implementation("another epsilon", rms_with(lambda h, eps: torch.rsqrt(mean_square(h) + 10 * eps))),
    Implementation(
        "variance instead of mean square",
        rms_with(lambda h, eps: torch.rsqrt(h.var(-1, correction=0, keepdim=True) + eps)),
    ),
    Implementation(
        "mean over N - 1",
        rms_with(lambda h, eps: torch.rsqrt(h.square().sum(-1, keepdim=True) / (h.shape[-1] - 1) + eps)),
    ),
    Implementation("mean of absolute values", rms_with(lambda h, eps: 1 / (h.abs().mean(-1, keepdim=True) + eps))),
    Implementation("a neighbour's statistic", rms_with(lambda h, eps: torch.rsqrt(mean_square(h) + eps).roll(1, 0))),
    Implementation("one statistic for all rows", rms_with(lambda h, eps: torch.rsqrt(h.square().mean() + eps))),
    Implementation(
        "statistic of the first half",
        rms_with(lambda h, eps: torch.rsqrt(mean_square(h[..., : h.shape[-1] // 2]) + eps)),
    ),
    Implementation(
        "last element not in the statistic",
        rms_with(lambda h, eps: torch.rsqrt(h[..., :-1].square().sum(-1, keepdim=True) / h.shape[-1] + eps)),
    ),
    Implementation("tail unmasked", rms_with(unmasked_tail)),
    Implementation("reduced-precision accumulation", rms_with(narrow_square_sum)),
    Implementation(
        "float16 statistic",
        rms_with(lambda h, eps: torch.rsqrt((mean_square(h) + eps).half().float()).half().float()),
        ("float32", "float16"),
        "float16 keeps three bits more than bfloat16 outputs show",
    ),
    Implementation("weight ignored", rms_with(lambda h, eps: torch.rsqrt(mean_square(h) + eps), lambda y, w: y)),
    Implementation(
        "weight plus one",
        rms_with(lambda h, eps: torch.rsqrt(mean_square(h) + eps), lambda y, w: y if w is None else y * (w + 1)),
    ),
    Implementation(
        "weight off by one",
        rms_with(lambda h, eps: torch.rsqrt(mean_square(h) + eps), lambda y, w: y if w is None else y * w.roll(1)),
    ),
    Implementation("residual not added", rms_other_residual("not added")),
    Implementation("residual added after", rms_other_residual("added after")),
    Implementation("second output is x", rms_other_residual("h is x")),
    Implementation("second output is out", rms_other_residual("h is out")),
]


def online_scale(h: Tensor, eps: float) -> Tensor:
    """Running largest magnitude and sum of squares scaled by it, as a norm that cannot overflow is computed."""
    top, total = torch.zeros_like(h[..., :1]), torch.zeros_like(h[..., :1])
    for part in h.split(37, -1):
        new = torch.maximum(top, part.abs().amax(-1, keepdim=True)).clamp(min=1e-30)
        total = total * (top / new) ** 2 + (part / new).square().sum(-1, keepdim=True)
        top = new
    return 1 / torch.sqrt(total * top * top / h.shape[-1] + eps)


def weight_first(x: Tensor, weight: Tensor, residual: Tensor | None, eps: float) -> Any:
    h = x if residual is None else x + residual
    wide = h.float()
    out = ((wide * weight.float()) / torch.sqrt(mean_square(wide) + eps)).to(x.dtype)
    return out if residual is None else (out, h)


HONEST = [
    Implementation(
        "serial float sum", rms_with(lambda h, eps: torch.rsqrt(running_sum(h * h, torch.float32) / h.shape[-1] + eps))
    ),
    Implementation("16 running sums", rms_with(lambda h, eps: torch.rsqrt(lanes(h * h, 16) / h.shape[-1] + eps))),
    Implementation("online scale", rms_with(online_scale)),
    Implementation(
        "dot product", rms_with(lambda h, eps: (torch.einsum("mn,mn->m", h, h)[:, None] / h.shape[-1] + eps) ** -0.5)
    ),
    Implementation("weight first", weight_first),
    Implementation("float64", rms_with(lambda h, eps: torch.rsqrt(mean_square(h.double()) + eps).float())),
]
