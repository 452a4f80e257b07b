"""What each ATen operator with a reduction means for one element, joined to the table of `operators`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import Node

from .index import ZERO, Index, NotRowwise
from .lower import Access, Lowering
from .operators import ITEMS, RULES, Item, arguments, item, lower_call, name_of, operand, power_of, rule, shape

__all__ = ["lower_call", "reduced_dims"]


class Reduction:
    """A reduction of `self` over `dim` at one index of its result; without keepdim the index gets its dims back."""

    def __init__(self, low: Lowering, a: dict[str, Any], index: Index, keepdim: bool | None = None):
        self.low, self.source = low, a["self"]
        self.shape = shape(self.source)
        self.dims = normal_dims(a.get("dim"), len(self.shape))
        kept = a.get("keepdim") if keepdim is None else keepdim
        rest = iter(index)
        self.index = (
            tuple(ZERO if d in self.dims else t for d, t in enumerate(index)) if kept
            else tuple(ZERO if d in self.dims else next(rest) for d in range(len(self.shape)))
        )  # fmt: skip
        self.count = math.prod(self.shape[d] for d in self.dims)

    def element(self, index: Index) -> int:
        value = self.low.at(self.source, index)
        kind = self.low.program.values[value].kind
        return self.low.cast(value, torch.int64) if kind in "ib" else value

    def reduce(self, name: str, access: Access | None = None) -> int:
        access = access or (lambda index: self.low.at(self.source, index))
        return self.low.reduce(name, access, self.shape, self.dims, self.index)

    def sum(self) -> int:
        return self.reduce("sum", self.element)

    def mean(self) -> int:
        p = self.low.program
        return p.op("div", "f", self.low.cast(self.sum(), torch.float32), p.const(self.count, "f"))

    def variance(self, correction: float) -> int:
        """In two passes: the mean, then the squares about it."""
        p, mean = self.low.program, self.mean()

        def square(index: Index) -> int:
            away = p.op("sub", "f", self.low.at(self.source, index), mean)
            return p.op("mul", "f", away, away)

        return p.op("div", "f", self.reduce("sum", square), p.const(max(self.count - correction, 0.0), "f"))

    def position(self, name: str) -> int:
        """The first column that holds the extreme value (a NaN is one)."""
        p, best = self.low.program, self.reduce(name)
        far = p.const(self.count, "l")

        def column(index: Index) -> int:
            value = self.low.at(self.source, index)
            here = p.op("or", "b", p.op("eq", "b", value, best), p.op("ne", "b", value, value))
            spot = [index[d] for d in self.dims]
            if len(spot) != 1:
                raise NotRowwise("the position of an extreme value over several dimensions")
            return p.op("where", "l", here, p.position(self.low.shifted((spot[0],))[0], self.low.columns), far)

        return self.reduce("min", column)


def normal_dims(dim: Any, rank: int) -> list[int]:
    if dim is None or dim == []:
        return list(range(rank))
    return sorted({d % rank for d in (dim if isinstance(dim, Sequence) else [dim])}) if rank else []


def _correction(a: dict[str, Any]) -> float:
    if "unbiased" in a:
        return float(bool(a["unbiased"]))
    return 1.0 if a.get("correction") is None else float(a["correction"])


@rule("sum", "mean", "amax", "amin", "max", "min", "prod", "any", "all", "var", "std", "argmax", "argmin")
def _reduction(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    name, stat = name_of(node), Reduction(low, a, index)
    if name in ("sum", "mean"):
        return stat.sum() if name == "sum" else stat.mean()
    if name in ("var", "std"):
        value = stat.variance(_correction(a))
        return low.program.op("sqrt", "f", value) if name == "std" else value
    if name in ("argmax", "argmin"):
        return stat.position(name.removeprefix("arg"))
    if name in ("any", "all"):
        return stat.reduce(name, lambda i: low.cast(low.at(a["self"], i), torch.bool))
    if name == "prod":
        return stat.reduce("prod", stat.element)
    return stat.reduce(name.removeprefix("a"))


@rule("linalg_vector_norm", "norm")
def _norm(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    given = a.get("ord", a.get("p"))
    p, order, stat = low.program, float(2 if given is None else given), Reduction(low, a, index)

    def magnitude(i: Index) -> int:
        return p.op("abs", "f", low.at(a["self"], i))

    def powered(i: Index) -> int:
        x = low.at(a["self"], i) if order == 2 else magnitude(i)
        return power_of(low, x, order, p.const(order, "f"), "f")

    if math.isinf(order):
        return stat.reduce("max" if order > 0 else "min", magnitude)
    if order == 0:
        raise NotRowwise("a norm of order 0")
    total = stat.reduce("sum", powered)
    return power_of(low, total, 1 / order, p.const(1 / order, "f"), "f")


@rule("_softmax", "_log_softmax", "logsumexp")
def _softmax(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    p, name = low.program, name_of(node)
    is_output = name != "logsumexp"
    stat = Reduction(low, a, index, keepdim=True if is_output else None)
    top = stat.reduce("max")
    if not is_output:  # an infinite maximum must not give inf - inf
        infinite = p.op("eq", "b", p.op("abs", "f", top), p.const(math.inf, "f"))
        top = p.op("where", "f", infinite, p.const(0.0, "f"), top)

    def shifted_exp(i: Index) -> int:
        return p.op("exp", "f", p.op("sub", "f", low.at(a["self"], i), top))

    total = stat.reduce("sum", shifted_exp)
    if name == "logsumexp":
        return p.op("add", "f", p.op("log", "f", total), top)
    if name == "_softmax":
        return p.op("div", "f", shifted_exp(index), total)
    return p.op("sub", "f", p.op("sub", "f", low.at(a["self"], index), top), p.op("log", "f", total))


@item("var_mean")
def _var_mean(low: Lowering, a: dict[str, Any], item: int, index: Index) -> int:
    stat = Reduction(low, a, index)
    return stat.variance(_correction(a)) if item == 0 else stat.mean()


def _extreme_of(name: str) -> Item:
    def extreme(low: Lowering, a: dict[str, Any], item: int, index: Index) -> int:
        stat = Reduction(low, a, index)
        return stat.reduce(name) if item == 0 else stat.position(name)

    return extreme


ITEMS.update(max=_extreme_of("max"), min=_extreme_of("min"))


@item("native_layer_norm")
def _layer_norm(low: Lowering, a: dict[str, Any], item: int, index: Index) -> int:
    p, source = low.program, a["input"]
    rank, inner = len(shape(source)), len(a["normalized_shape"])
    stat = Reduction(low, {"self": source, "dim": list(range(rank - inner, rank))}, index, keepdim=True)
    mean = stat.mean()
    if item == 1:
        return mean
    rstd = p.op("rsqrt", "f", p.op("add", "f", stat.variance(0.0), p.const(a["eps"], "f")))
    if item == 2:
        return rstd
    value = p.op("mul", "f", p.op("sub", "f", low.at(source, index), mean), rstd)
    for name, op in (("weight", "mul"), ("bias", "add")):
        if a.get(name) is not None:
            value = p.op(op, "f", value, operand(low, a[name], index, torch.float32))
    return value


@rule("gather")
def _gather(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    """One column per row, chosen by an index: a sum over the row in which only that column counts."""
    dim, p = a["dim"] % max(len(index), 1), low.program
    if not index or shape(a["index"])[dim] != 1:
        raise NotRowwise("a gather of several columns (gather)")
    chosen = operand(low, a["index"], index, torch.int64)

    def only(i: Index) -> int:
        value = low.at(a["self"], i)
        kind = p.values[value].kind
        here = p.op("eq", "b", p.position(low.shifted((i[dim],))[0], low.columns), chosen)
        return p.op("where", kind, here, value, p.const(0, kind))

    return low.reduce("sum", only, shape(a["self"]), [dim], index)


def reduced_dims(node: Node) -> list[int] | None:
    """The dimensions that `node` reduces over, None when it is no reduction."""
    if node.op != "call_function" or not hasattr(node.target, "_schema"):
        return None
    name, a = name_of(node), arguments(node)
    if name == "native_layer_norm":
        rank = len(shape(a["input"]))
        return list(range(rank - len(a["normalized_shape"]), rank))
    many = ("_softmax", "_log_softmax", "logsumexp", "linalg_vector_norm", "norm", "var_mean")
    if name in many or RULES.get(name) is _reduction:
        return normal_dims(a.get("dim"), len(shape(a["self"])))
    return None
