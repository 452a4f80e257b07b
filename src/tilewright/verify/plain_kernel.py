"""A reference as a plain kernel would compute it: running sums instead of torch's cascade, one-pass variance, `exp` as
a power of two, division as a product with the reciprocal, matmul as one serial sum over K.

The error of that run, beside the error of torch's own, is what honest implementations may reach, so no limit has to be
picked by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import torch
from torch._decomp import core_aten_decompositions, decomposition_table

from ..dispatch import QuietMode

aten = torch.ops.aten

# An honest kernel shares a longer sum between threads or lanes; beyond this many additions in one run a float32 sum
# of equal terms would lose 12 of its 24 bits.
LONGEST_RUN = 4096
# One-pass variance loses log2(mean^2 / variance) bits. A plain kernel may lose 6 of 24; beyond that it is two-pass.
ONE_PASS_CONDITION = 64.0
# A matmul up to this many multiply-adds is summed term by term; larger ones in chunks, see `plain_matmul`.
EXACT_SERIAL_MACS = 1 << 24


class PlainKernel(QuietMode):
    """Evaluates float32 (and float64) operations as a simple kernel with `lanes` running sums would; `backwards` walks
    the reduced axis from its end, which gives a second, independent set of roundings. A variance takes one pass where
    that is good enough, unless `two_passes` are asked for; `chose_one_pass` tells afterwards whether any did."""

    def __init__(self, lanes: int = 1, backwards: bool = False, two_passes: bool = False) -> None:
        super().__init__()
        self.lanes, self.backwards, self.two_passes = lanes, backwards, two_passes
        self.chose_one_pass = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not _is_wide_float(args):
            return func(*args, **kwargs)
        if func in PLAIN:
            result = PLAIN[func](self, *args, **kwargs)
        elif func in DECOMPOSED:
            with self:
                result = DECOMPOSED[func](*args, **kwargs)
        else:
            result = NotImplemented
        return func(*args, **kwargs) if result is NotImplemented else result

    def sum(self, x: torch.Tensor, dims: Sequence[int]) -> torch.Tensor:
        """Sum over `dims`, removed from the shape, by running sums."""
        dims = sorted(d % x.ndim for d in dims)
        kept = [d for d in range(x.ndim) if d not in dims]
        shape = [x.shape[d] for d in kept]
        count = math.prod(x.shape[d] for d in dims)
        columns = x.permute(*kept, *dims).reshape(math.prod(shape), count)
        if self.backwards:
            columns = columns.flip(1)
        # Blocks of about a quarter of a million elements stay in the cache while they are turned round. A GPU wants
        # fewer and larger steps.
        block = max(1, (1 << (18 if columns.device.type == "cpu" else 25)) // max(1, count))
        parts = [_running_sums(part, self.lanes) for part in columns.split(block)]
        return torch.cat(parts).reshape(shape) if parts else columns.new_zeros(shape)


def _is_wide_float(args: Sequence[Any]) -> bool:
    first = next((a for a in args if isinstance(a, torch.Tensor)), None)
    return first is not None and first.dtype in (torch.float32, torch.float64) and first.numel() > 0


def _running_sums(rows: torch.Tensor, lanes: int) -> torch.Tensor:
    """Sum [R, K] over K with `lanes` serial running sums per row -> [R]."""
    count = rows.shape[1]
    if count == 0:
        return rows.new_zeros(rows.shape[0])
    lanes = max(min(lanes, count), -(-count // LONGEST_RUN))
    steps = -(-count // lanes)
    padded = torch.nn.functional.pad(rows, (0, steps * lanes - count))
    turned = padded.t().contiguous().view(steps, -1)  # [steps, lanes * R]
    partial = _serial(turned).view(lanes, -1)
    return _serial(partial) if lanes <= 64 else partial.sum(0)


def _serial(terms: torch.Tensor) -> torch.Tensor:
    """Sum [S, C] over S one after the other, rounding each time -> [C]."""
    if terms.device.type != "cpu":
        total = terms[0].clone()
        for term in terms[1:]:
            total += term
        return total
    array = terms.detach().numpy()
    with numpy.errstate(all="ignore"):  # Inf - Inf is NaN, as it should be
        if array.shape[1] < 8:  # numpy would merge so few columns into one axis and sum it pairwise
            return torch.from_numpy(numpy.add.accumulate(array, axis=0)[-1].copy())
        return torch.from_numpy(numpy.add.reduce(array, axis=0))


def plain_matmul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return a @ b ([..., M, K] @ [..., K, N]) as one serial sum over K.

    A large product is summed in 16 chunks of K. Each chunk adds one rounding where a serial sum has `chunk` roundings
    of the same size, so the roundings (exact, by Knuth's two-sum) are scaled by sqrt(chunk): same mean, same variance.
    """
    k = a.shape[-1]
    if k == 0:
        return a @ b
    macs = k * a[..., 0].numel() * b.shape[-1]
    chunk = 1 if macs <= EXACT_SERIAL_MACS else -(-k // 16)
    total = a[..., :chunk] @ b[..., :chunk, :]
    drift = torch.zeros_like(total) if chunk > 1 else None
    for start in range(chunk, k, chunk):
        term = a[..., start : start + chunk] @ b[..., start : start + chunk, :]
        before, total = total, total + term
        if drift is not None:
            back = total - before
            drift += (before - (total - back)) + (term - back)
    return total if drift is None else total.sub_(drift, alpha=math.sqrt(chunk) - 1)


def _sum(mode: PlainKernel, x: torch.Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    if dtype not in (None, x.dtype):
        return NotImplemented
    dims = _all_dims(x, dim)
    total = mode.sum(x, dims)
    return _restore(total, x, dims) if keepdim else total


def _mean(mode: PlainKernel, x: torch.Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    total = _sum(mode, x, dim, keepdim, dtype=dtype)
    return total if total is NotImplemented else total / _count(x, _all_dims(x, dim))


def _var_mean(
    mode: PlainKernel, x: torch.Tensor, dim: Any = None, *, correction: Any = 1, keepdim: bool = False
) -> Any:
    dims = _all_dims(x, dim)
    count = _count(x, dims)
    mean = mode.sum(x, dims) / count
    centred = x - _restore(mean, x, dims)
    two_pass = mode.sum(centred * centred, dims)
    square = two_pass if mode.two_passes else _where_one_pass_will_do(mode, x, dims, mean, two_pass)
    var = square.clamp(min=0) / max(0, count - (1 if correction is None else correction))
    return (_restore(var, x, dims), _restore(mean, x, dims)) if keepdim else (var, mean)


def _where_one_pass_will_do(
    mode: PlainKernel, x: torch.Tensor, dims: Sequence[int], mean: torch.Tensor, two_pass: torch.Tensor
) -> torch.Tensor:
    """Return sum((x - mean)^2) as sum(x^2) - n mean^2 where that loses few bits, else as it is given."""
    short = mean * mean * _count(x, dims)
    easy = short <= ONE_PASS_CONDITION * two_pass
    mode.chose_one_pass = mode.chose_one_pass or bool(easy.any())
    return torch.where(easy, mode.sum(x * x, dims) - short, two_pass)


def _var(mode: PlainKernel, x: torch.Tensor, dim: Any = None, **options: Any) -> Any:
    return _var_mean(mode, x, dim, **options)[0]


def _std(mode: PlainKernel, x: torch.Tensor, dim: Any = None, **options: Any) -> Any:
    return _var(mode, x, dim, **options).sqrt()


def _vector_norm(
    mode: PlainKernel, x: torch.Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, **o: Any
) -> Any:
    if ord not in (1, 2) or o.get("dtype") not in (None, x.dtype):
        return NotImplemented
    total = _sum(mode, x * x if ord == 2 else x.abs(), dim, keepdim)
    return total.sqrt() if ord == 2 else total


def _exp(mode: PlainKernel, x: torch.Tensor) -> torch.Tensor:
    return torch.exp2(x * math.log2(math.e))


def _sigmoid(mode: PlainKernel, x: torch.Tensor) -> torch.Tensor:
    return torch.reciprocal(1 + _exp(mode, -x))


def _silu(mode: PlainKernel, x: torch.Tensor) -> torch.Tensor:
    return x * _sigmoid(mode, x)


def _tanh(mode: PlainKernel, x: torch.Tensor) -> torch.Tensor:
    return 2 * _sigmoid(mode, 2 * x) - 1


def _log(mode: PlainKernel, x: torch.Tensor) -> torch.Tensor:
    return torch.log2(x) * math.log(2)


def _rsqrt(mode: PlainKernel, x: torch.Tensor) -> torch.Tensor:
    return torch.reciprocal(torch.sqrt(x))


def _divide(mode: PlainKernel, x: torch.Tensor, y: Any) -> Any:
    return x * torch.reciprocal(y) if isinstance(y, torch.Tensor) and y.dtype == x.dtype else NotImplemented


def _softmax(mode: PlainKernel, x: torch.Tensor, dim: int, half_to_float: bool) -> torch.Tensor:
    weight = _exp(mode, x - x.amax(dim, keepdim=True))
    return weight * torch.reciprocal(_sum(mode, weight, [dim], True))


def _log_softmax(mode: PlainKernel, x: torch.Tensor, dim: int, half_to_float: bool) -> torch.Tensor:
    shifted = x - x.amax(dim, keepdim=True)
    return shifted - _log(mode, _sum(mode, _exp(mode, shifted), [dim], True))


def _logsumexp(mode: PlainKernel, x: torch.Tensor, dim: Any, keepdim: bool = False) -> torch.Tensor:
    dims = _all_dims(x, dim)
    top = x.amax(dims, keepdim=True)
    top = torch.where(top.abs() == float("inf"), torch.zeros_like(top), top)
    result = _log(mode, _sum(mode, _exp(mode, x - top), dims, True)) + top
    return result if keepdim else result.reshape([n for d, n in enumerate(x.shape) if d not in dims])


def _product(mode: PlainKernel, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return plain_matmul(a.flip(-1), b.flip(-2)) if mode.backwards else plain_matmul(a, b)


def _add_product(mode: PlainKernel, c: torch.Tensor, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> torch.Tensor:
    product = _product(mode, a, b)
    product = product if alpha == 1 else product * alpha
    return product if beta == 0 else product + (c if beta == 1 else c * beta)


def _matrix_vector(mode: PlainKernel, a: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return mode.sum(a * x, [-1])


def _cumsum(mode: PlainKernel, x: torch.Tensor, dim: int, *, dtype: Any = None) -> Any:
    if dtype not in (None, x.dtype) or x.device.type != "cpu" or x.ndim == 0:
        return NotImplemented
    with numpy.errstate(all="ignore"):
        return torch.from_numpy(numpy.add.accumulate(x.detach().numpy(), axis=dim))


def _prod(mode: PlainKernel, x: torch.Tensor, dim: int, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """As many running products as the mode has lanes, as blocks of a row give them."""
    if dtype not in (None, x.dtype) or x.ndim == 0:
        return NotImplemented
    rows = x.movedim(dim, -1)
    rows = rows.flip(-1) if mode.backwards else rows
    lanes = max(1, min(mode.lanes, rows.shape[-1]))
    total = torch.ones_like(rows[..., :1])
    for part in rows.tensor_split(lanes, -1):
        total = total * aten.cumprod.default(part, -1)[..., -1:] if part.shape[-1] else total
    return total.movedim(-1, dim) if keepdim else total.squeeze(-1)


def _cumprod(mode: PlainKernel, x: torch.Tensor, dim: int, *, dtype: Any = None) -> Any:
    """Running products within blocks, one block per lane, each then times what came before it; backwards by doubling
    (a scan of Hillis and Steele)."""
    if dtype not in (None, x.dtype) or x.ndim == 0:
        return NotImplemented
    rows = x.movedim(dim, -1)
    if mode.backwards:
        step = 1
        while step < rows.shape[-1]:
            rows = torch.cat([rows[..., :step], rows[..., step:] * rows[..., :-step]], -1)
            step *= 2
        return rows.movedim(-1, dim)
    before, blocks = torch.ones_like(rows[..., :1]), []
    for part in rows.tensor_split(max(1, min(mode.lanes, rows.shape[-1])), -1):
        blocks.append(aten.cumprod.default(part, -1) * before)
        before = blocks[-1][..., -1:]
    return torch.cat(blocks, -1).movedim(-1, dim)


def _convolution(mode: PlainKernel, x: Any, w: Any, bias: Any, *rest: Any) -> Any:
    transposed, groups = rest[3], rest[5]
    if groups != 1 or transposed:
        return NotImplemented
    # The input channels in the opposite order: torch's own blocking, other roundings.
    return aten.convolution.default(x.flip(1), w.flip(1), bias, *rest)


def _all_dims(x: torch.Tensor, dim: Any) -> list[int]:
    if dim is None or (isinstance(dim, list | tuple) and not dim):
        return list(range(x.ndim))
    return sorted(d % max(1, x.ndim) for d in ([dim] if isinstance(dim, int) else dim)) if x.ndim else []


def _count(x: torch.Tensor, dims: Sequence[int]) -> int:
    return math.prod(x.shape[d] for d in dims)


def _restore(reduced: torch.Tensor, x: torch.Tensor, dims: Sequence[int]) -> torch.Tensor:
    return reduced.reshape([1 if d in dims else n for d, n in enumerate(x.shape)])


PLAIN: dict[Any, Callable[..., Any]] = {
    aten.sum.default: _sum, aten.sum.dim_IntList: _sum, aten.mean.default: _mean, aten.mean.dim: _mean,
    aten.var.correction: _var, aten.var_mean.correction: _var_mean, aten.std.correction: _std,
    aten.linalg_vector_norm.default: _vector_norm, aten.exp.default: _exp, aten.sigmoid.default: _sigmoid,
    aten.silu.default: _silu, aten.tanh.default: _tanh, aten.log.default: _log, aten.rsqrt.default: _rsqrt,
    aten.div.Tensor: _divide, aten._softmax.default: _softmax, aten._log_softmax.default: _log_softmax,
    aten.logsumexp.default: _logsumexp, aten.mm.default: _product, aten.bmm.default: _product,
    aten.addmm.default: _add_product, aten.baddbmm.default: _add_product, aten.mv.default: _matrix_vector,
    aten.dot.default: _matrix_vector, aten.cumsum.default: _cumsum, aten.cumprod.default: _cumprod,
    aten.prod.dim_int: _prod, aten.convolution.default: _convolution,
}  # fmt: skip

# Composite operations are taken apart into those above: all that torch itself takes apart on the way to its core set,
# and the normalisations, which the core set keeps whole.
DECOMPOSED: dict[Any, Callable[..., Any]] = {
    **core_aten_decompositions(),
    **{
        overload: decomposition_table[overload]
        for name in (
            "native_layer_norm", "native_layer_norm_backward", "native_group_norm", "native_group_norm_backward",
            "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
            "native_batch_norm_backward",
        )
        for overload in (getattr(aten, name).default,)
    },
}  # fmt: skip
