"""Implementations to prove the judge with: wrong ones, each a mistake that kernels are known to make, and honest ones
that compute in deliberately different ways. All have the signature of their operator's reference."""

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


def narrow_of(x: Tensor) -> torch.dtype:
    return torch.float16 if x.dtype == torch.float16 else torch.bfloat16


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


# ---- rms_norm(x, weight, residual, eps) ------------------------------------------------------------------------------


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


RMS_NORM_WRONG = [
    Implementation("epsilon outside the root", rms_with(lambda h, eps: 1 / (mean_square(h).sqrt() + eps))),
    Implementation("epsilon missing", rms_with(lambda h, eps: torch.rsqrt(mean_square(h)))),
    Implementation("another epsilon", rms_with(lambda h, eps: torch.rsqrt(mean_square(h) + 10 * eps))),
    Implementation("variance instead of mean square",
                   rms_with(lambda h, eps: torch.rsqrt(h.var(-1, correction=0, keepdim=True) + eps))),
    Implementation("mean over N - 1",
                   rms_with(lambda h, eps: torch.rsqrt(h.square().sum(-1, keepdim=True) / (h.shape[-1] - 1) + eps))),
    Implementation("mean of absolute values", rms_with(lambda h, eps: 1 / (h.abs().mean(-1, keepdim=True) + eps))),
    Implementation("a neighbour's statistic", rms_with(lambda h, eps: torch.rsqrt(mean_square(h) + eps).roll(1, 0))),
    Implementation("one statistic for all rows", rms_with(lambda h, eps: torch.rsqrt(h.square().mean() + eps))),
    Implementation("statistic of the first half",
                   rms_with(lambda h, eps: torch.rsqrt(mean_square(h[..., : h.shape[-1] // 2]) + eps))),
    Implementation("last element not in the statistic",
                   rms_with(lambda h, eps: torch.rsqrt(h[..., :-1].square().sum(-1, keepdim=True) / h.shape[-1] + eps))),
    Implementation("tail unmasked", rms_with(unmasked_tail)),
    Implementation("reduced-precision accumulation", rms_with(narrow_square_sum)),
    Implementation("float16 statistic",
                   rms_with(lambda h, eps: torch.rsqrt((mean_square(h) + eps).half().float()).half().float()),
                   ("float32", "float16"), "float16 keeps three bits more than bfloat16 outputs show"),
    Implementation("weight ignored", rms_with(lambda h, eps: torch.rsqrt(mean_square(h) + eps), lambda y, w: y)),
    Implementation("weight plus one",
                   rms_with(lambda h, eps: torch.rsqrt(mean_square(h) + eps), lambda y, w: y if w is None else y * (w + 1))),
    Implementation("weight off by one",
                   rms_with(lambda h, eps: torch.rsqrt(mean_square(h) + eps),
                            lambda y, w: y if w is None else y * w.roll(1))),
    Implementation("residual not added", rms_other_residual("not added")),
    Implementation("residual added after", rms_other_residual("added after")),
    Implementation("second output is x", rms_other_residual("h is x")),
    Implementation("second output is out", rms_other_residual("h is out")),
]  # fmt: skip


def online_scale(h: Tensor, eps: float) -> Tensor:
    """Running largest magnitude and sum of squares scaled by it, as a norm that cannot overflow is computed."""
    top, total = torch.zeros_like(h[..., :1]), torch.zeros_like(h[..., :1])
    for part in h.split(37, -1):
        new = torch.maximum(top, part.abs().amax(-1, keepdim=True)).clamp(min=1e-30)
        total = total * (top / new) ** 2 + (part / new).square().sum(-1, keepdim=True)
        top = new
    return 1 / torch.sqrt(total * top * top / h.shape[-1] + eps)


RMS_NORM_HONEST = [
    Implementation("serial float sum",
                   rms_with(lambda h, eps: torch.rsqrt(running_sum(h * h, torch.float32) / h.shape[-1] + eps))),
    Implementation("16 running sums", rms_with(lambda h, eps: torch.rsqrt(lanes(h * h, 16) / h.shape[-1] + eps))),
    Implementation("online scale", rms_with(online_scale)),
    Implementation("dot product", rms_with(lambda h, eps: (torch.einsum("mn,mn->m", h, h)[:, None] / h.shape[-1] + eps) ** -0.5)),
    Implementation("weight first",
                   lambda x, w, r, eps: _weight_first(x, w, r, eps)),
    Implementation("float64", rms_with(lambda h, eps: torch.rsqrt(mean_square(h.double()) + eps).float())),
]  # fmt: skip


def _weight_first(x: Tensor, weight: Tensor, residual: Tensor | None, eps: float) -> Any:
    h = x if residual is None else x + residual
    wide = h.float()
    out = ((wide * weight.float()) / torch.sqrt(mean_square(wide) + eps)).to(x.dtype)
    return out if residual is None else (out, h)


def lanes(x: Tensor, count: int) -> Tensor:
    """Sum over the last axis by `count` running sums, added up at the end; keeps the axis."""
    padded = functional.pad(x, (0, -x.shape[-1] % count))
    parts = padded.unflatten(-1, (-1, count)).transpose(-1, -2)
    return running_sum(running_sum(parts, torch.float32).squeeze(-1), torch.float32)


# ---- softmax(x, dim) -------------------------------------------------------------------------------------------------


def softmax_with(body: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """softmax along `dim` whose rows (moved last, float32) become `body(rows)`."""
    return lambda x, dim: body(x.movedim(dim, -1).float()).movedim(-1, dim).to(x.dtype)


def powers(x: Tensor) -> Tensor:
    return torch.exp(x - x.amax(-1, keepdim=True))


def total(x: Tensor) -> Tensor:
    return x.sum(-1, keepdim=True)


def online_softmax(x: Tensor) -> Tensor:
    """Running maximum and running sum over chunks, rescaled whenever the maximum grows."""
    top = torch.full_like(x[..., :1], -float("inf"))
    running = torch.zeros_like(top)
    for part in x.split(64, -1):
        new = torch.maximum(top, part.amax(-1, keepdim=True))
        running = running * torch.exp(top - new) + total(torch.exp(part - new))
        top = new
    return torch.exp(x - top) * (1 / running)


def polynomial_exp(x: Tensor) -> Tensor:
    """exp by a polynomial of degree 6 after range reduction, about one unit in the last place."""
    n = torch.round(x * 1.4426950408889634)
    r = (x - n * 0.693359375) + n * 2.12194440e-4
    p = torch.full_like(r, 1.9875691500e-4)
    for c in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        p = p * r + c
    return torch.ldexp(p * r * r + r + 1, n.to(torch.int32))


def base_two(x: Tensor) -> Tensor:
    """Powers of two of x * log2(e) - max * log2(e), with one fused multiply-add as attention kernels do. (Rounding the
    product first loses accuracy in proportion to the logits, and is rejected for large ones.)"""
    log2e = 1.4426950408889634
    top = (x.amax(-1, keepdim=True) * log2e).double()
    return _of(torch.exp2((x.double() * log2e - top).float()))


def scaled_tail(x: Tensor) -> Tensor:
    """A masked tail of the last block counts as logits of zero."""
    extra = -x.shape[-1] % 64
    top = x.amax(-1, keepdim=True)
    return powers(x) / (total(powers(x)) + extra * torch.exp(-top))


SOFTMAX_WRONG = [
    Implementation("no maximum subtracted", softmax_with(lambda x: (x * 1.0).exp() / total(x.exp())), ALL),
    Implementation("other axis", lambda x, dim: torch.softmax(x.float(), 0 if dim in (-1, 1) else 1).to(x.dtype)),
    Implementation("log softmax", softmax_with(lambda x: torch.log_softmax(x, -1))),
    Implementation("temperature 1.02", softmax_with(lambda x: torch.softmax(x / 1.02, -1))),
    Implementation("last element not in the sum", softmax_with(lambda x: powers(x) / total(powers(x)[..., :-1]))),
    Implementation("powers of two", softmax_with(lambda x: torch.exp2(x - x.amax(-1, keepdim=True)) / total(
        torch.exp2(x - x.amax(-1, keepdim=True))))),
    Implementation("tail counted as zero logits", softmax_with(scaled_tail)),
    Implementation("tail unmasked", softmax_with(lambda x: powers(x) / total(torch.cat([powers(x), powers(x)[..., :9]], -1)))),
    Implementation("plus one in the sum", softmax_with(lambda x: powers(x) / (total(powers(x)) + 1))),
    Implementation("maximum of the whole batch", softmax_with(lambda x: (x - x.max()).exp() / total((x - x.max()).exp()))),
    Implementation("a neighbour's sum", softmax_with(lambda x: powers(x) / total(powers(x)).roll(1, 0))),
    Implementation("reduced-precision accumulation",
                   softmax_with(lambda x: powers(x) / running_sum(powers(x).bfloat16(), torch.bfloat16))),
    Implementation("logits rounded to bfloat16", softmax_with(lambda x: torch.softmax(x.bfloat16().float(), -1)),
                   ("float32", "float16"), "a bfloat16 input already is rounded"),
    Implementation("logits clamped", softmax_with(lambda x: torch.softmax(x.clamp(-8, 8), -1))),
    Implementation("sigmoid", softmax_with(torch.sigmoid)),
    Implementation("chunks not rescaled", softmax_with(lambda x: torch.cat([torch.softmax(p, -1) for p in x.split(256, -1)], -1))),
    Implementation("square root of powers", softmax_with(lambda x: torch.softmax(x / 2, -1))),
]  # fmt: skip

SOFTMAX_HONEST = [
    Implementation("online", softmax_with(online_softmax)),
    Implementation("serial float sum", softmax_with(lambda x: powers(x) / running_sum(powers(x), torch.float32))),
    Implementation("16 running sums, reciprocal", softmax_with(lambda x: powers(x) * (1 / lanes(powers(x), 16)))),
    Implementation("base two", softmax_with(base_two)),
    Implementation("polynomial exp", softmax_with(lambda x: _of(polynomial_exp(x - x.amax(-1, keepdim=True))))),
    Implementation("exp of log softmax", softmax_with(lambda x: torch.log_softmax(x.double(), -1).exp().float())),
]  # fmt: skip


def _of(weights: Tensor) -> Tensor:
    return weights / total(weights)


# ---- gemm(a, b, bias, activation) ------------------------------------------------------------------------------------


ACTIVATION = {
    None: lambda y: y,
    "none": lambda y: y,
    "relu": torch.relu,
    "gelu": functional.gelu,
    "silu": functional.silu,
}


def gemm_with(
    product: Callable[[Tensor, Tensor], Tensor], activate: Callable[..., Tensor] | None = None
) -> Callable[..., Tensor]:
    """gemm whose float32 product is `product(a, b)`; `activate(y, bias, activation)` finishes it."""

    def run(a: Tensor, b: Tensor, bias: Tensor | None, activation: str | None) -> Tensor:
        y = product(a.float(), b.float())
        wide = None if bias is None else bias.float()
        if activate:
            return activate(y, wide, activation).to(a.dtype)
        return ACTIVATION[activation](y if wide is None else y + wide).to(a.dtype)

    return run


def split_k(a: Tensor, b: Tensor, parts: int) -> Tensor:
    chunk = -(-a.shape[-1] // parts)
    return sum(p @ q for p, q in zip(a.split(chunk, -1), b.split(chunk, 0), strict=True))


def accumulate(a: Tensor, b: Tensor, step: int, dtype: torch.dtype) -> Tensor:
    """Sum products of `step` terms of K one after the other in `dtype`."""
    y = torch.zeros(a.shape[0], b.shape[1], dtype=dtype)
    for p, q in zip(a.split(step, -1), b.split(step, 0), strict=True):
        y = (y.float() + p @ q).to(dtype)
    return y.float()


def one_block_twice(a: Tensor, b: Tensor) -> Tensor:
    return a @ b + a[:, :16] @ b[:16]


def in_16_bits(product: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return gemm_with(lambda a, b: product(a, b).bfloat16().float())


GEMM_WRONG = [
    Implementation("K tail dropped", gemm_with(lambda a, b: a[:, : a.shape[1] // 16 * 16] @ b[: a.shape[1] // 16 * 16])),
    Implementation("K tail unmasked", gemm_with(lambda a, b: a @ b + a.roll(-1, 0)[:, :4] @ b[:4])),
    Implementation("one K block twice", gemm_with(one_block_twice)),
    Implementation("last K element dropped", gemm_with(lambda a, b: a[:, :-1] @ b[:-1])),
    Implementation("bias missing", gemm_with(torch.matmul, lambda y, bias, act: ACTIVATION[act](y))),
    Implementation("bias twice", gemm_with(torch.matmul, lambda y, bias, act: ACTIVATION[act](y + 2 * bias))),
    Implementation("bias along rows",
                   gemm_with(torch.matmul, lambda y, bias, act: ACTIVATION[act](y + bias[: y.shape[0], None]))),
    Implementation("activation before bias", gemm_with(torch.matmul, lambda y, bias, act: ACTIVATION[act](y) + bias)),
    Implementation("activation missing", gemm_with(torch.matmul, lambda y, bias, act: y + bias)),
    Implementation("tf32 products", gemm_with(lambda a, b: tf32(a) @ tf32(b)), ("float32",),
                   "tf32 holds every float16 and bfloat16 value"),
    Implementation("bfloat16 products", gemm_with(lambda a, b: a.bfloat16().float() @ b.bfloat16().float()),
                   ("float32", "float16"), "a bfloat16 operand already is rounded"),
    Implementation("reduced-precision accumulation", gemm_with(lambda a, b: accumulate(a, b, 16, torch.bfloat16))),
    Implementation("float16 accumulation", gemm_with(lambda a, b: accumulate(a, b, 8, torch.float16)), ("float32", "float16"),
                   "float16 keeps three bits more than bfloat16 outputs show"),
    Implementation("a transposed b",
                   gemm_with(lambda a, b: a @ b.mT if b.shape[0] == b.shape[1] else a.flip(1) @ b.flip(0) * 0.0)),
    Implementation("alpha 1.01", gemm_with(lambda a, b: 1.01 * (a @ b))),
    Implementation("tanh gelu", gemm_with(torch.matmul, lambda y, bias, act: functional.gelu(y + bias, approximate="tanh")),
                   ("float32", "float16"), "the two differ by less than a unit of bfloat16"),
    Implementation("relu instead", gemm_with(torch.matmul, lambda y, bias, act: torch.relu(y + bias))),
    Implementation("last tile of rows not written",
                   gemm_with(lambda a, b: torch.cat([a[: a.shape[0] // 16 * 16] @ b, torch.zeros(a.shape[0] % 16, b.shape[1])]))),
    Implementation("float16 saturates", gemm_with(lambda a, b: (a @ b).clamp(-4, 4))),
]  # fmt: skip

GEMM_HONEST = [
    Implementation("split K by 4", gemm_with(lambda a, b: split_k(a, b, 4))),
    Implementation("serial K by 16", gemm_with(lambda a, b: accumulate(a, b, 16, torch.float32))),
    Implementation("serial K by 1", gemm_with(lambda a, b: accumulate(a, b, 1, torch.float32))),
    Implementation("transposed", gemm_with(lambda a, b: (b.mT @ a.mT).mT)),
    Implementation("float64", gemm_with(lambda a, b: (a.double() @ b.double()).float())),
    Implementation("K backwards", gemm_with(lambda a, b: a.flip(1) @ b.flip(0))),
]  # fmt: skip

WRONG = {"rms_norm": RMS_NORM_WRONG, "softmax": SOFTMAX_WRONG, "gemm": GEMM_WRONG}
HONEST = {"rms_norm": RMS_NORM_HONEST, "softmax": SOFTMAX_HONEST, "gemm": GEMM_HONEST}
