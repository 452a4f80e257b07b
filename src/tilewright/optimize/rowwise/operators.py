"""What each ATen operator without a reduction means for one element: the table that lowering reads.

A rule takes the lowering, the operator's arguments by name, the index asked for, and the node; it returns a value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Node

from .index import ZERO, Index, NotRowwise, Term, broadcast, reshape
from .ir import TRANSCENDENTAL
from .lower import LOW, Lowering, kind_of

Rule = Callable[[Lowering, dict[str, Any], Index, Node], int]
Item = Callable[[Lowering, dict[str, Any], int, Index], int]
RULES: dict[str, Rule] = {}
ITEMS: dict[str, Item] = {}  # operators with several outputs: the value of one of them
REFUSED = {
    "mm": "a matrix product", "bmm": "a matrix product", "addmm": "a matrix product", "baddbmm": "a matrix product",
    "convolution": "a convolution", "cumsum": "a scan", "cumprod": "a scan", "sort": "a sort", "topk": "a selection",
    "_scaled_dot_product_flash_attention_for_cpu": "attention", "embedding": "a gather",
    "index": "a gather", "index_select": "a gather", "scatter": "a scatter", "scatter_add": "a scatter",
    "native_dropout": "a random step", "bernoulli": "a random step", "rand": "a random step", "randn": "a random step",
    "max_pool2d_with_indices": "a pooling window", "avg_pool2d": "a pooling window",
}  # fmt: skip


def refusal(name: str) -> str:
    return f"{REFUSED.get(name, 'an operator without a row-wise rule')} ({name})"


def rule(*names: str) -> Callable[[Rule], Rule]:
    def register(fn: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, fn))
        return fn

    return register


def item(*names: str) -> Callable[[Item], Item]:
    def register(fn: Item) -> Item:
        ITEMS.update(dict.fromkeys(names, fn))
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
        source, which = node.args
        assert isinstance(source, Node)
        if name_of(source) not in ITEMS:
            raise NotRowwise(refusal(name_of(source)))
        return ITEMS[name_of(source)](low, arguments(source), which, index)  # type: ignore[index,arg-type]
    if name not in RULES:
        raise NotRowwise(refusal(name))
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

ALGEBRAIC = ("neg", "abs", "sqrt", "rsqrt", "reciprocal", "floor", "ceil", "trunc", "sign", "relu")
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


for _name in (*TRANSCENDENTAL, *ALGEBRAIC):
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
    if a["self"].op == "placeholder":
        return low.load_as(a["self"], index, shape(node))
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


def _interleaved(low: Lowering, parts: list[Node], dim: int, index: Index, node: Node) -> int:
    """Parts of size 1, as `stack` makes them: the position says which part, and no part has a second element."""
    p, dtype = low.program, working(node)
    inner = (*index[:dim], ZERO, *index[dim + 1 :])
    position = p.position(low.shifted((index[dim],))[0], low.columns)
    value = low.cast(low.at(parts[0], inner), dtype)
    for number, part in enumerate(parts[1:], 1):
        here = p.op("eq", "b", position, p.const(number, "l"))
        value = p.op("where", kind_of(dtype), here, low.cast(low.at(part, inner), dtype), value)
    return value


@rule("cat")
def _cat(low: Lowering, a: dict[str, Any], index: Index, node: Node) -> int:
    dim = a["dim"] % len(index)
    start = 0
    sizes = [shape(part)[dim] for part in a["tensors"]]
    if set(sizes) == {1} and index[dim].var:
        return _interleaved(low, a["tensors"], dim, index, node)
    for part, size in zip(a["tensors"], sizes, strict=True):
        if not low.cut(index[dim], start + size):
            return narrowed(low, part, dim, -start, 1, index)
        start += size
    raise NotRowwise("a concatenation of nothing")


@item("split_with_sizes", "split")
def _split(low: Lowering, a: dict[str, Any], item: int, index: Index) -> int:
    sizes = a.get("split_sizes") or [a["split_size"]] * item
    return narrowed(low, a["self"], a["dim"], sum(sizes[:item]), 1, index)


@item("unbind")
def _unbind(low: Lowering, a: dict[str, Any], item: int, index: Index) -> int:
    dim = a["dim"] % len(shape(a["self"]))
    return low.at(a["self"], (*index[:dim], Term(off=item), *index[dim:]))
