"""Wrong and honest softmax(x, dim)."""

from __future__ import annotations

from collections.abc import Callable

import torch

from wrong_implementations import Implementation, lanes, running_sum

Tensor = torch.Tensor


def softmax_with(body: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """softmax along `dim` whose rows (moved last, float32) become `body(rows)`."""
    return lambda x, dim: body(x.movedim(dim, -1).float()).movedim(-1, dim).to(x.dtype)


def powers(x: Tensor) -> Tensor:
    return torch.exp(x - x.amax(-1, keepdim=True))


def total(x: Tensor) -> Tensor:
    return x.sum(-1, keepdim=True)


def normalised(weights: Tensor) -> Tensor:
    return weights / total(weights)


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
    return normalised(torch.exp2((x.double() * log2e - top).float()))


def scaled_tail(x: Tensor) -> Tensor:
    """A masked tail of the last block counts as logits of zero."""
    extra = -x.shape[-1] % 64
    top = x.amax(-1, keepdim=True)
    return powers(x) / (total(powers(x)) + extra * torch.exp(-top))


WRONG = [
    Implementation("no maximum subtracted", softmax_with(lambda x: x.exp() / total(x.exp()))),
    Implementation("other axis", lambda x, dim: torch.softmax(x.float(), 0 if dim in (-1, 1) else 1).to(x.dtype)),
    Implementation("log softmax", softmax_with(lambda x: torch.log_softmax(x, -1))),
    Implementation("temperature 1.02", softmax_with(lambda x: torch.softmax(x / 1.02, -1))),
    Implementation("last element not in the sum", softmax_with(lambda x: powers(x) / total(powers(x)[..., :-1]))),
    Implementation(
        "powers of two",
        softmax_with(
            lambda x: torch.exp2(x - x.amax(-1, keepdim=True)) / total(torch.exp2(x - x.amax(-1, keepdim=True)))
        ),
    ),
    Implementation("tail counted as zero logits", softmax_with(scaled_tail)),
    Implementation(
        "tail unmasked", softmax_with(lambda x: powers(x) / total(torch.cat([powers(x), powers(x)[..., :9]], -1)))
    ),
    Implementation("plus one in the sum", softmax_with(lambda x: powers(x) / (total(powers(x)) + 1))),
    Implementation(
        "maximum of the whole batch", softmax_with(lambda x: (x - x.max()).exp() / total((x - x.max()).exp()))
    ),
    Implementation("a neighbour's sum", softmax_with(lambda x: powers(x) / total(powers(x)).roll(1, 0))),
    Implementation(
        "reduced-precision accumulation",
        softmax_with(lambda x: powers(x) / running_sum(powers(x).bfloat16(), torch.bfloat16)),
    ),
    Implementation(
        "logits rounded to bfloat16",
        softmax_with(lambda x: torch.softmax(x.bfloat16().float(), -1)),
        ("float32", "float16"),
        "a bfloat16 input already is rounded",
    ),
    Implementation("logits clamped", softmax_with(lambda x: torch.softmax(x.clamp(-8, 8), -1))),
    Implementation("sigmoid", softmax_with(torch.sigmoid)),
    Implementation(
        "chunks not rescaled", softmax_with(lambda x: torch.cat([torch.softmax(p, -1) for p in x.split(256, -1)], -1))
    ),
    Implementation("square root of powers", softmax_with(lambda x: torch.softmax(x / 2, -1))),
]

HONEST = [
    Implementation("online", softmax_with(online_softmax)),
    Implementation("serial float sum", softmax_with(lambda x: powers(x) / running_sum(powers(x), torch.float32))),
    Implementation("16 running sums, reciprocal", softmax_with(lambda x: powers(x) * (1 / lanes(powers(x), 16)))),
    Implementation("base two", softmax_with(base_two)),
    Implementation("polynomial exp", softmax_with(lambda x: normalised(polynomial_exp(x - x.amax(-1, keepdim=True))))),
    Implementation("exp of log softmax", softmax_with(lambda x: torch.log_softmax(x.double(), -1).exp().float())),
]
