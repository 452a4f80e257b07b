"""An ATen graph -> a row program, by asking every output for its element at (row, column) and following it back.

Each graph node is a function of an index (`index.Index`). Views change the index, elementwise operators pass it on, a
reduction opens a column loop of its own. What depends on anything but the row and the loop's column is not row-wise.
The idea of loops written as functions of an index is that of TorchInductor's loop-level IR.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import torch
from torch.fx import Node

from .index import ZERO, Index, NotRowwise, Term, address, rows_and_columns, span
from .ir import COLUMN, ROW, Program, Store, Tensor
from .trace import Traced

LOW = {torch.bfloat16: "bfloat16", torch.float16: "float16"}
KINDS = {torch.float32: "f", torch.bfloat16: "f", torch.float16: "f", torch.int64: "l", torch.bool: "b"}
NARROW = {torch.int32: "i", torch.int16: "i", torch.int8: "i", torch.uint8: "i"}
WRAPPED = (torch.int8, torch.uint8, torch.int16)
Access = Callable[[Index], int]
MAX_UNIFORM_COLUMNS = 65536  # a reduction of a weight is done again for every row: only worth it when short


class _StraddleError(Exception):
    """A column range crosses the border of a concatenation at column `at` of the loop."""

    def __init__(self, at: int):
        super().__init__(at)
        self.at = at


def kind_of(dtype: torch.dtype) -> str:
    kind = KINDS.get(dtype) or NARROW.get(dtype)
    if kind is None:
        raise NotRowwise(f"a step computes in {dtype}, which the generator does not know")
    return kind


def wrapped(number: int, dtype: torch.dtype) -> int:
    """Return `number` as an integer tensor of `dtype` holds it."""
    if dtype == torch.bool:
        return number
    info = torch.iinfo(dtype)
    return (number - info.min) % 2**info.bits + info.min


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


class Lowering:
    """Lowers the nodes of one graph for one choice of the number of rows."""

    def __init__(self, traced: Traced, rows: int):
        self.program = Program(rows)
        self.rows = rows
        self.columns = 0  # length of the column loop that the value under way stands in
        self.range = (0, 0)  # the part of that loop that is asked for
        self.traced = traced
        self.known: dict[tuple[Node, Index, tuple[int, int], int], int] = {}
        dtypes = {n.meta["val"].dtype for n in traced.graph.nodes if n.op == "placeholder"}
        self.strict = not dtypes & set(LOW)  # low-precision roundings asked for in a float32 model are honoured
        for node, path in zip(self._nodes("placeholder"), traced.paths, strict=True):
            value = node.meta["val"]
            name = f"in{len(self.program.inputs)}"
            self.program.inputs.append(Tensor(name, path, dtype_name(value.dtype), tuple(value.shape)))
        self.number = {n: i for i, n in enumerate(self._nodes("placeholder"))}

    def _nodes(self, op: str) -> list[Node]:
        return [n for n in self.traced.graph.nodes if n.op == op]

    def run(self) -> Program:
        """Lower every output; NotRowwise when one of them does not fit this number of rows."""
        for node in self.traced.graph.nodes:
            if node.op == "call_function" and getattr(node.target, "__name__", "").startswith("copy_."):
                raise NotRowwise("the reference writes into its input")
        (out,) = self._nodes("output")
        for node in results(out):
            self._output(node)
        return self.program

    def _output(self, node: Any) -> None:
        if not isinstance(node, Node):
            raise NotRowwise("an output is not a tensor")
        fake = node.meta["val"]
        shape = tuple(fake.shape)
        number = len(self.program.outputs)
        given = shape
        while rows_and_columns(shape, self.rows) is None and _is_reshape(node):
            node = node.args[0]  # the same elements in the same order
            shape = tuple(node.meta["val"].shape)
        self.program.outputs.append(Tensor(f"out{number}", f"out.{number}", dtype_name(fake.dtype), given))
        index = rows_and_columns(shape, self.rows)
        if prod(shape) == 1 and self.rows != 1:
            index = (ZERO,) * len(shape)
        if index is None:
            raise NotRowwise(f"an output of shape {list(given)} has no {self.rows} rows")
        columns = prod(shape) // self.rows if prod(shape) != 1 else 1
        dtype = fake.dtype
        pieces = self._pieces(lambda: self.cast(self.at(node, index), dtype), columns)
        for start, length, value in pieces:
            space = self.program.values[value].space
            if columns == 1 and space == COLUMN:
                raise NotRowwise("an output per row depends on the column")
            if prod(shape) == 1 and self.rows != 1 and space == ROW:
                raise NotRowwise("a single number depends on the row")
            self.program.stores.append(Store(number, value, start, length if columns != 1 else 0))

    def _pieces(self, make: Callable[[], int], columns: int) -> list[tuple[int, int, int]]:
        """Evaluate `make` over a column loop, cut where concatenations have their borders: (start, length, value)."""
        outer = self.columns, self.range
        todo, done = [(0, columns)], []
        while todo:
            start, length = todo.pop()
            self.columns, self.range = length, (start, start + length)
            try:
                done.append((start, length, make()))
            except _StraddleError as cut:
                todo += [(cut.at, start + length - cut.at), (start, cut.at - start)]
        self.columns, self.range = outer
        return sorted(done)

    def at(self, node: Any, index: Index) -> int:
        """Return the value of `node` (a graph node or a number) at `index`."""
        if isinstance(node, bool | int | float):
            return self.program.const(node, "b" if isinstance(node, bool) else "l" if isinstance(node, int) else "f")
        if not isinstance(node, Node):
            raise NotRowwise(f"an operand of type {type(node).__name__}")
        key = (node, index, self.range, self.columns)
        if key not in self.known:
            self.known[key] = self._lower(node, index)
        return self.known[key]

    def _lower(self, node: Node, index: Index) -> int:
        if node.op == "placeholder":
            return self._load(node, index)
        if node.op == "get_attr":
            return self._constant(node)
        from .reductions import lower_call  # the table of operators needs this class

        value = lower_call(self, node, index)
        fake = node.meta.get("val")
        if isinstance(fake, torch.Tensor) and fake.dtype in WRAPPED:
            value = self.cast(value, fake.dtype)  # arithmetic went on in 32 bits
        if self.strict and isinstance(fake, torch.Tensor) and fake.dtype in LOW:
            value = self.round_to(value, fake.dtype)
        return value

    def round_to(self, value: int, dtype: torch.dtype) -> int:
        """Return `value` rounded to a narrower float type, once."""
        name = "round_" + LOW[dtype]
        return value if self.program.values[value].op == name else self.program.op(name, "f", value)

    def _load(self, node: Node, index: Index) -> int:
        return self.load_as(node, index, tuple(node.meta["val"].shape))

    def load_as(self, node: Node, index: Index, shape: tuple[int, ...]) -> int:
        """Return the element at `index` of an input (contiguous) that is seen as a tensor of `shape`."""
        fake = node.meta["val"]
        place = address(self.shifted(index), shape)
        return self.program.load(self.number[node], kind_of(fake.dtype), place, self.columns)

    def shifted(self, index: Index) -> Index:
        """Return `index` for a loop that counts its columns from the start of the part that is asked for."""
        start, stop = self.range
        if start == 0:
            return index
        result = []
        for term in index:
            if term.var != "j":
                result.append(term)
            elif term.div == 1 and stop <= term.mod:
                left = term.mod - start
                result.append(replace(term, mod=left, off=term.off + start * term.mul))
            else:
                raise NotRowwise("a concatenation of reshaped parts")
        return tuple(result)

    def _constant(self, node: Node) -> int:
        value = getattr(self.traced.module, str(node.target))
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            raise NotRowwise("a constant tensor of more than one element is made inside the reference")
        return self.program.const(value.item(), kind_of(value.dtype))

    def cut(self, term: Term, border: int) -> bool:
        """Whether `term` lies wholly at or beyond `border` of its dimension; cuts the loop when it straddles."""
        if not term.var:
            return term.off >= border
        start, stop = self.range
        if term.var != "j" or term.div != 1 or term.mul <= 0:
            raise NotRowwise("a concatenation along the rows")
        if stop > term.mod:
            raise NotRowwise("a concatenation of interleaved parts")
        if term.off + term.mul * start >= border:
            return True
        if term.off + term.mul * (stop - 1) < border:
            return False
        raise _StraddleError(-(-(border - term.off) // term.mul))

    def cast(self, value: int, dtype: torch.dtype) -> int:
        """Return `value` as what a tensor of `dtype` holds in the kernel."""
        have, want = self.program.values[value], kind_of(dtype)
        if have.op == "const" and have.kind != "b" and want in "fil":
            number = float(have.attr) if want == "f" else wrapped(int(float(have.attr)), dtype)
            return self.program.const(number, want)
        if have.kind != want:
            value = self.program.op(f"{have.kind}_to_{want}", want, value)
        if dtype in WRAPPED and not self._fits(value, dtype):
            value = self.program.op("wrap_" + dtype_name(dtype), "i", value)
        return value

    def _fits(self, value: int, dtype: torch.dtype) -> bool:
        have = self.program.values[value]
        if have.op == "load":
            return self.program.inputs[have.attr[0]].dtype == dtype_name(dtype)
        return have.op == "wrap_" + dtype_name(dtype)

    def reduce(self, name: str, access: Access, shape: Sequence[int], dims: Sequence[int], index: Index) -> int:
        """Return the reduction of `access`, a tensor of `shape`, over `dims`, kept as size 1, at `index`.

        Reducing everything is a second stage over rows, where the tensor has this kernel's rows.
        """
        dims = sorted(d % len(shape) for d in dims) if shape else []
        if any(t.var == "j" for d, t in enumerate(index) if d not in dims):
            raise NotRowwise("a reduction that is not along the rows")
        kept = prod(s for d, s in enumerate(shape) if d not in dims)
        whole = rows_and_columns(tuple(shape), self.rows)
        if kept == 1 and self.rows != 1 and whole is not None:
            columns = prod(shape) // self.rows
            per_row = self._over_columns(name, lambda: access(whole), columns) if columns != 1 else access(whole)
            return self.program.total(name, per_row)
        columns = prod(shape[d] for d in dims)
        inner = iter(span("j", [shape[d] for d in dims]))
        full = tuple(next(inner) if d in dims else t for d, t in enumerate(index))
        if self.rows != 1 and not any(t.var == "r" for t in full) and columns > MAX_UNIFORM_COLUMNS:
            raise NotRowwise("a reduction that is not along the rows")
        return self._over_columns(name, lambda: access(full), columns)

    def _over_columns(self, name: str, make: Callable[[], int], columns: int) -> int:
        combine = {"sum": "add", "max": "max", "min": "min", "prod": "mul", "any": "or", "all": "and"}[name]
        result = None
        for _, length, value in self._pieces(make, columns):
            part = self.program.reduce(name, value, length)
            kind = self.program.values[part].kind
            result = part if result is None else self.program.op(combine, kind, result, part)
        assert result is not None
        return result


def results(out: Node) -> Sequence[Any]:
    """What an output node returns."""
    assert isinstance(out.args[0], tuple | list)
    return out.args[0]


def _is_reshape(node: Node) -> bool:
    packet = getattr(getattr(node.target, "_schema", None), "name", "")
    return packet in ("aten::view", "aten::_unsafe_view", "aten::reshape", "aten::clone")


def lower(traced: Traced) -> Program:
    """Return the row program of `traced`, for the first number of rows that fits; NotRowwise says why none does."""
    reasons: list[str] = []
    for rows in _row_counts(traced.graph):
        try:
            return Lowering(traced, rows).run()
        except NotRowwise as error:
            reasons.append(str(error))
    # that an output cannot be cut into so many rows says less than what a fitting number of rows ran into
    telling = [r for r in reasons if not r.startswith("an output of shape")]
    raise NotRowwise((telling or reasons)[0])


def _row_counts(graph: torch.fx.Graph) -> list[int]:
    """Candidates for the number of rows: what reductions along trailing dimensions keep, then the leading sizes."""
    from .reductions import reduced_dims  # the table of operators needs this module

    found: list[int] = []
    for node in graph.nodes:
        dims = reduced_dims(node)
        if dims is not None:
            shape = node.args[0].meta["val"].shape
            found.append(prod(s for d, s in enumerate(shape) if d not in {x % max(len(shape), 1) for x in dims}))
    (out,) = [n for n in graph.nodes if n.op == "output"]
    outs = [n for n in results(out) if isinstance(n, Node)]
    places = [n for n in graph.nodes if n.op == "placeholder"]
    shapes = [tuple(n.meta["val"].shape) for n in (*outs, *places)]
    largest = max(map(prod, shapes), default=1)
    lead = [prod(s[:-1]) for s in shapes if prod(s) == largest]
    several = [r for r in (*found, *lead) if r > 1]
    return list(dict.fromkeys([*several, 1]))
