"""The row program: values in SSA form, each a function of the row and the column, of the row alone, or of neither."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .index import Address, Term

UNIFORM, ROW, COLUMN = "uniform", "row", "column"
TRANSCENDENTAL = (
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "tanh", "sigmoid", "erf", "erfc"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"),
)


@dataclass(frozen=True)
class Value:
    """One step. `kind` is what the C++ holds: "f" float, "i" int32, "l" int64, "b" truth value.

    `space` says what it depends on; `length` is the number of columns of a COLUMN value, else 0. `attr` holds what
    `op` needs besides `args` (indices of earlier values): a constant, (input, Address) of a load, a column index.
    """

    op: str
    args: tuple[int, ...]
    kind: str
    space: str
    length: int = 0
    attr: Any = None


@dataclass(frozen=True)
class Tensor:
    """An input or output of the kernel: its name in the C++, where it comes from, its dtype ("float32") and shape."""

    name: str
    path: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Store:
    """Write `value` to columns [start, start + length) of output `output` (length 0: one element per row, or one)."""

    output: int
    value: int
    start: int = 0
    length: int = 0


@dataclass
class Program:
    """A traced computation over `rows` rows. Full reductions ("all_sum", ...) take a ROW value and give a UNIFORM."""

    rows: int
    values: list[Value] = field(default_factory=list)
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    _known: dict[Value, int] = field(default_factory=dict)

    def add(self, value: Value) -> int:
        """Append `value`, or find the equal one that exists, and return its number."""
        if value not in self._known:
            self._known[value] = len(self.values)
            self.values.append(value)
        return self._known[value]

    def const(self, number: float | int | bool, kind: str) -> int:
        number = bool(number) if kind == "b" else float(number) if kind == "f" else int(number)
        # repr tells -0.0 from 0.0 and makes nan equal to itself, as a key must be
        return self.add(Value("const", (), kind, UNIFORM, 0, repr(number)))

    def constant_of(self, number: int) -> float | None:
        """The value of a constant, None when value `number` is no constant."""
        value = self.values[number]
        return float(value.attr) if value.op == "const" and value.kind != "b" else None

    def op(self, name: str, kind: str, *args: int, attr: Any = None) -> int:
        """Append an elementwise step; it lives where its arguments meet."""
        spaces = [self.values[a].space for a in args]
        space = COLUMN if COLUMN in spaces else ROW if ROW in spaces else UNIFORM
        lengths = {self.values[a].length for a in args if self.values[a].space == COLUMN}
        assert len(lengths) <= 1, f"{name} over columns of lengths {sorted(lengths)}"
        return self.add(Value(name, args, kind, space, lengths.pop() if lengths else 0, attr))

    def load(self, tensor: int, kind: str, place: Address, length: int) -> int:
        """Append a read of input number `tensor`; `length` is that of the column loop it stands in."""
        space = COLUMN if place.of("j") else ROW if place.of("r") else UNIFORM
        return self.add(Value("load", (), kind, space, length if space == COLUMN else 0, (tensor, place)))

    def position(self, term: Term, length: int) -> int:
        """Append the index `term` itself as a number."""
        space = COLUMN if term.var == "j" else ROW
        return self.add(Value("position", (), "l", space, length if space == COLUMN else 0, term))

    def reduce(self, name: str, arg: int, length: int) -> int:
        """Append the reduction of `arg` over its columns ("sum", "max", "min", "prod", "any", "all")."""
        value = self.values[arg]
        if value.space != COLUMN:  # the same number in every column
            if name == "sum":
                count = self.const(length, value.kind)
                return self.op("mul", value.kind, arg, count)
            if name != "prod":
                return arg
            return self.op("pow", value.kind, arg, self.const(length, value.kind))
        return self.add(Value("row_" + name, (arg,), value.kind, ROW, 0, length))

    def total(self, name: str, arg: int) -> int:
        """Append the reduction over all rows of `arg`, a value per row."""
        return self.add(Value("all_" + name, (arg,), self.values[arg].kind, UNIFORM))
