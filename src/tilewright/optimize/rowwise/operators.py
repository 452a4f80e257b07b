"""What each ATen operator means for one element: the table that lowering reads.

A rule takes the lowering, the operator's arguments by name, the index asked for, and the node; it returns a value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx import Node

from .index import ZERO, Index, NotRowwise, Term, broadcast, reshape
from .lower import LOW, Access, Lowering, kind_of

Rule = Callable[[Lowering, dict[str, Any], Index, Node], int]
RULES: dict[str, Rule] = {}
REFUSED = {
    "mm": "a matrix product", "bmm": "a matrix product", "addmm": "a matrix product", "baddbmm": "a matrix product",
    "convolution": "a convolution", "cumsum": "a scan", "cumprod": "a scan", "sort": "a sort", "topk": "a selection",
    "_scaled_dot_product_flash_attention_for_cpu": "attention", "embedding": "a gather", "gather": "a gather",
    "index": "a gather", "index_select": "a gather", "scatter": "a scatter", "scatter_add": "a scatter",
    "native_dropout": "a random step", "bernoulli": "a random step", "rand": "a random step", "randn": "a random step",
    "max_pool2d_with_indices": "a pooling window", "avg_pool2d": "a pooling window",
}  # fmt: skip


def rule(*names: str) -> Callable[[Rule], Rule]:
    def register(fn: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, fn))
        return fn

    return register


def arguments(node: Node) -> dict[str, Any]:
    """The arguments of an ATen call by the names of its schema, defaults included."""
    schema = node.target._schema  # type: ignore[union-attr]
    named = {a.name: (a.default_value if a.has_default_value() else None) for a in schema.arguments}
    named |= dict(zip((a.name for a in schema.arguments), node.args, strict=False))
    return named | dict(node.kwargs)


def name_of(node: Node) -> str:
    schema = getattr(node.target, "_schema", None)
    return schema.name.split("::")[-1] if schema else str(getattr(node.target, "__name__", node.target))


def lower_call(low: Lowering, node: Node, index: Index) -> int:
    """Return the value of an ATen call at `index`; NotRowwise names what the generator cannot do."""
    name = name_of(node)
    if name == "getitem":
        source, item = node.args
        assert isinstance(source, Node)
        return lower_item(low, source, item, index)  # type: ignore[arg-type]
    if name not in RULES:
        raise NotRowwise(f"{REFUSED.get(name, 'an operator without a row-wise rule')} ({name})")
    return RULES[name](low, arguments(node), index, node)


def shape(node: Any) -> tuple[int, ...]:
    return tuple(node.meta["val"].shape) if isinstance(node, Node) else ()


def operand(low: Lowering, node: Any, index: Index, dtype: torch.dtype | None = None) -> int:
    """Return an operand, broadcast to the result at `index` and cast to `dtype`."""
    value = low.at(node, broadcast(index, shape(node)))
    return value if dtype is None else low.cast(value, dtype)


def result_dtype(*nodes: Any) -> torch.dtype:
    """The dtype in which torch computes on these operands."""
    plain = [n.meta["val"] if isinstance(n, Node) else n for n in nodes]
    dtype = torch.result_type(plain[0], plain[1]) if len(plain) == 2 else plain[0].dtype
    return torch.float32 if dtype in LOW else dtype


def working(node: Node) -> torch.dtype:
    dtype = node.meta["val"].dtype
    return torch.float32 if dtype in LOW else dtype


# elementwise -------------------------------------------------------------------------------------------------------

UNARY = ["neg", "abs", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "tanh", "sigmoid", "erf", "erfc", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "floor", "ceil", "trunc", "sign", "relu"]  # fmt: skip
COMPARE = {"gt": "gt", "lt": "lt", "ge": "ge", "le": "le", "eq": "eq", "ne": "ne"}
BINARY = {"add": "add", "sub": "sub", "mul": "mul", "maximum": "max", "minimum": "min", "atan2": "atan2"}


def _unary(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    dtype = working(node)
    return low.program.op(name_of(node), kind_of(dtype), operand(low, a["self"], index, dtype))


def _binary(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    dtype, p = working(node), low.program
    left, right = (operand(low, a[k], index, dtype) for k in ("self", "other"))
    if a.get("alpha", 1) != 1:
        right = p.op("mul", kind_of(dtype), right, p.const(a["alpha"], kind_of(dtype)))
    name = BINARY[name_of(node)]
    if dtype == torch.bool:
        name = {"add": "or", "mul": "and", "max": "or", "min": "and"}[name]
    return p.op(name, kind_of(dtype), left, right)


def _compare(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    dtype = result_dtype(a["self"], a["other"])
    left, right = (operand(low, a[k], index, dtype) for k in ("self", "other"))
    return low.program.op(COMPARE[name_of(node)], "b", left, right)


for _name in UNARY:
    RULES[_name] = _unary
for _name in BINARY:
    RULES[_name] = _binary
for _name in COMPARE:
    RULES[_name] = _compare


@rule("rsub")
def _rsub(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    dtype = working(node)
    left, right = (operand(low, a[k], index, dtype) for k in ("other", "self"))
    return low.program.op("sub", kind_of(dtype), left, right)


@rule("div")
def _div(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    mode, dtype = a.get("rounding_mode"), working(node)
    if mode and dtype != torch.float32:
        raise NotRowwise("an integer division")
    value = low.program.op("div", "f", *(operand(low, a[k], index, dtype) for k in ("self", "other")))
    return low.program.op(mode, "f", value) if mode else value


@rule("remainder", "fmod")
def _remainder(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    dtype = working(node)
    if dtype != torch.float32:
        raise NotRowwise("an integer remainder")
    return low.program.op(name_of(node), "f", *(operand(low, a[k], index, dtype) for k in ("self", "other")))


@rule("pow")
def _pow(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    dtype, p = working(node), low.program
    base, power = (operand(low, a[k], index, dtype) for k in ("self", "exponent"))
    return power_of(low, base, p.constant_of(power), power, kind_of(dtype))


def power_of(low: Lowering, base: int, exponent: float | None, power: int, kind: str) -> int:
    """Small constant exponents are products and roots, as torch computes them too."""
    p = low.program
    if exponent in (1.0, 2.0, 3.0):
        result = base
        for _ in range(int(exponent or 1) - 1):
            result = p.op("mul", kind, result, base)
        return result
    simple = {0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}
    if kind == "f" and exponent in simple:
        return p.op(simple[exponent], "f", base)  # type: ignore[index]
    if kind == "f" and exponent == -2.0:
        return p.op("reciprocal", "f", p.op("mul", "f", base, base))
    if kind != "f":
        raise NotRowwise("an integer power")
    return p.op("pow", "f", base, power)


@rule("where")
def _where(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    dtype = working(node)
    mask = operand(low, a["condition"], index, torch.bool)
    yes, no = (operand(low, a[k], index, dtype) for k in ("self", "other"))
    return low.program.op("where", kind_of(dtype), mask, yes, no)


@rule("clamp", "clamp_min", "clamp_max", "hardtanh")
def _clamp(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    dtype = working(node)
    kind, value = kind_of(dtype), operand(low, a["self"], index, dtype)
    for bound, op in (("min", "max"), ("min_val", "max"), ("max", "min"), ("max_val", "min")):
        if a.get(bound) is not None:
            value = low.program.op(op, kind, value, operand(low, a[bound], index, dtype))
    return value


@rule("round")
def _round(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    if a.get("decimals"):
        raise NotRowwise("a rounding to decimals")
    return low.program.op("rint", "f", operand(low, a["self"], index, torch.float32))


@rule("gelu")
def _gelu(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    x = operand(low, a["self"], index, torch.float32)
    return low.program.op("gelu_tanh" if a.get("approximate") == "tanh" else "gelu_erf", "f", x)


@rule("elu")
def _elu(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    p, x = low.program, operand(low, a["self"], index, torch.float32)
    alpha, scale, inner = (p.const(a[k], "f") for k in ("alpha", "scale", "input_scale"))
    low_side = p.op("mul", "f", p.op("expm1", "f", p.op("mul", "f", x, inner)), p.op("mul", "f", alpha, scale))
    positive = p.op("gt", "b", x, p.const(0.0, "f"))
    return p.op("where", "f", positive, p.op("mul", "f", x, scale), low_side)


@rule("leaky_relu")
def _leaky_relu(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    p, x = low.program, operand(low, a["self"], index, torch.float32)
    scaled = p.op("mul", "f", x, p.const(a["negative_slope"], "f"))
    return p.op("where", "f", p.op("gt", "b", x, p.const(0.0, "f")), x, scaled)


@rule("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor")
def _logic(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    name = name_of(node)
    dtype = torch.bool if name.startswith("logical") else working(node)
    left, right = (operand(low, a[k], index, dtype) for k in ("self", "other"))
    return low.program.op(name.split("_")[1], kind_of(dtype), left, right)


@rule("logical_not", "bitwise_not")
def _not(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    dtype = torch.bool if name_of(node).startswith("logical") else working(node)
    return low.program.op("not", kind_of(dtype), operand(low, a["self"], index, dtype))


@rule("isnan", "isinf")
def _is_special(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    p, x = low.program, operand(low, a["self"], index, torch.float32)
    if name_of(node) == "isnan":
        return p.op("ne", "b", x, x)
    return p.op("eq", "b", p.op("abs", "f", x), p.const(math.inf, "f"))


@rule("_to_copy", "convert_element_type")
def _to_copy(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    value = low.at(a.get("self", a.get("a")), index)
    return low.cast(value, node.meta["val"].dtype)


# constants and positions -------------------------------------------------------------------------------------------


@rule("scalar_tensor", "full", "full_like", "zeros", "zeros_like", "ones", "ones_like")
def _full(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    name = name_of(node)
    number = 0 if name.startswith("zeros") else 1 if name.startswith("ones") else a.get("fill_value", a.get("s"))
    return low.cast(low.at(number, ()), node.meta["val"].dtype)


@rule("arange", "iota")
def _arange(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    p, dtype = low.program, node.meta["val"].dtype
    start, step = a.get("start") or 0, a.get("step", 1)
    if not isinstance(start, int) or not isinstance(step, int):
        raise NotRowwise("positions that are not whole numbers")
    term = low.shifted(index)[0]
    if not term.var:
        return low.cast(p.const(start + step * term.off, "l"), dtype)
    position = p.position(term, low.columns)
    scaled = p.op("mul", "l", position, p.const(step, "l")) if step != 1 else position
    return low.cast(p.op("add", "l", scaled, p.const(start, "l")) if start else scaled, dtype)


# views -------------------------------------------------------------------------------------------------------------


@rule("clone", "alias", "detach", "lift_fresh_copy", "contiguous", "_unsafe_view_copy")
def _same(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    return low.at(a["self"], index)


@rule("view", "_unsafe_view", "reshape", "_reshape_copy", "squeeze", "unsqueeze")
def _view(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    return low.at(a["self"], reshape(index, shape(node), shape(a["self"])))


@rule("expand")
def _expand(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    return operand(low, a["self"], index)


@rule("permute", "transpose", "t")
def _permute(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    rank = len(index)
    if name_of(node) == "permute":
        order = [d % rank for d in a["dims"]]
    else:
        order = list(range(rank))
        i, j = (0, rank - 1) if name_of(node) == "t" else (a["dim0"] % rank, a["dim1"] % rank)
        order[i], order[j] = order[j], order[i]
    return low.at(a["self"], tuple(index[order.index(d)] for d in range(rank)))


def moved(term: Term, start: int, step: int = 1) -> Term:
    return Term(term.var, term.div, term.mod, term.mul * step, term.off * step + start)


def narrowed(low: Lowering, source: Node, dim: int, start: int, step: int, index: Index) -> int:
    dim %= len(index)
    return low.at(source, (*index[:dim], moved(index[dim], start, step), *index[dim + 1 :]))


@rule("slice")
def _slice(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    size = shape(a["self"])[a["dim"]]
    start = a["start"] or 0
    start = max(0, start + size) if start < 0 else min(start, size)
    return narrowed(low, a["self"], a["dim"], start, a["step"], index)


@rule("select")
def _select(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    dim = a["dim"] % len(shape(a["self"]))
    position = a["index"] % shape(a["self"])[dim]
    return low.at(a["self"], (*index[:dim], Term(off=position), *index[dim:]))


@rule("flip")
def _flip(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    dims = {d % len(index) for d in a["dims"]}
    sizes = shape(a["self"])
    flipped = (Term(t.var, t.div, t.mod, -t.mul, sizes[d] - 1 - t.off) if d in dims else t for d, t in enumerate(index))
    return low.at(a["self"], tuple(flipped))


@rule("cat")
def _cat(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    dim = a["dim"] % len(index)
    start = 0
    for part in a["tensors"]:
        size = shape(part)[dim]
        if not low.cut(index[dim], start + size):
            return narrowed(low, part, dim, -start, 1, index)
        start += size
    raise NotRowwise("a concatenation of nothing")


# reductions --------------------------------------------------------------------------------------------------------


def lower_item(low: Lowering, source: Node, item: int, index: Index) -> int:
    """Return output number `item` of an operator with several."""
    name, a = name_of(source), arguments(source)
    if name in ("split_with_sizes", "split"):
        dim = a["dim"]
        sizes = a.get("split_sizes") or [a["split_size"]] * item
        return narrowed(low, a["self"], dim, sum(sizes[:item]), 1, index)
    if name == "unbind":
        dim = a["dim"] % len(shape(a["self"]))
        return low.at(a["self"], (*index[:dim], Term(off=item), *index[dim:]))
    if name == "native_layer_norm":
        return _layer_norm(low, a, item, index)
    if name == "var_mean":
        stat = Reduction(low, a, index)
        return stat.variance(_correction(a)) if item == 0 else stat.mean()
    if name in ("max", "min"):
        stat = Reduction(low, a, index)
        return stat.reduce(name) if item == 0 else stat.position(name)
    raise NotRowwise(f"{REFUSED.get(name, 'an operator without a row-wise rule')} ({name})")


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
