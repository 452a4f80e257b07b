"""The text of single values in generated Triton: steps, loads, stores, and what is the same for a whole row."""

from __future__ import annotations

from collections.abc import Iterable

from .index import NotRowwise, Term
from .ir import COLUMN, ROW, UNIFORM, Program, Store, Value
from .rewrites import Online
from .schedule import reachable
from .triton_math import FUNCTIONS

TYPES = {"f": "tl.float32", "i": "tl.int32", "l": "tl.int64", "b": "tl.int1"}
PLAIN = {"f": "float32", "i": "int32", "l": "int64", "b": "bool"}
INFIX = {"add": "+", "sub": "-", "mul": "*", "and": "&", "or": "|", "xor": "^"}
COMPARE = {"gt": ">", "lt": "<", "ge": ">=", "le": "<=", "eq": "==", "ne": "!="}
HALF = ("float16", "bfloat16")


def is_exact(program: Program) -> bool:
    """Whether some tensor is as wide as float32: then the hardware's approximations will not do."""
    dtypes = {t.dtype for t in (*program.inputs, *program.outputs)}
    return "float32" in dtypes or not dtypes & set(HALF)


def literal(value: Value) -> str:
    """A constant as text that a kernel takes for a number."""
    if value.kind == "b":
        return "True" if value.attr == "True" else "False"
    if value.kind == "f" and value.attr in ("inf", "-inf", "nan"):
        return f'float("{value.attr}")' if value.attr != "-inf" else '-float("inf")'
    return value.attr


def fraction(var: str, div: int, mod: int, bound: int) -> str:
    """(var // div) % mod, shorter where var < bound makes a part of it idle."""
    text = var if div == 1 else f"{var} // {div}"
    text = text if div * mod >= bound else f"{text} % {mod}"
    return text if text == var else f"({text})"


class Values:
    """Writes the body of one kernel. `used` collects the names of the functions it needs."""

    def __init__(self, program: Program, online: dict[int, Online], used: set[str]):
        self.program, self.values, self.online, self.used = program, program.values, online, used
        self.lines: list[str] = []
        self.depth = 1
        self.known: set[int] = set()
        self.masks: dict[int, str] = {}  # column length -> the mask of its tile
        self.lane = ""  # the column index of the tile under way

    def put(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def call(self, function: str, *args: str) -> str:
        self.used.add(function)
        return f"_{function}({', '.join(args)})"

    def _uniforms(self, roots: Iterable[int]) -> None:
        """Write the numbers that are the same for all rows, before the loop over rows."""
        for i in reachable(self.program, roots):
            value = self.values[i]
            if value.space != UNIFORM or value.op == "const" or i in self.known:
                continue
            if value.op.startswith("all_"):
                self.put(f"v{i} = tl.load(total{i})")
                if value.kind in "fb":
                    self.put(f"v{i} = v{i} != 0" if value.kind == "b" else f"v{i} = v{i}.to(tl.float32)")
            else:
                self.put(f"v{i} = {self._row_text(value)}")
            self.known.add(i)

    def _column_type(self, lane: str) -> None:
        self.put(f"{lane} = {lane}.to(tl.int64) if WIDE else {lane}")

    def _row_values(self, roots: Iterable[int]) -> None:
        """Write the values per row that `roots` need and that can be had by now."""
        for i in reachable(self.program, roots):
            value = self.values[i]
            if value.space != ROW or i in self.known or value.op.startswith("row_"):
                continue
            if all(self.values[a].space != ROW or a in self.known for a in value.args):
                self.put(f"v{i} = {self._row_text(value)}")
                self.known.add(i)

    def name(self, i: int) -> str:
        value = self.values[i]
        return literal(value) if value.op == "const" else f"v{i}"

    def _row_text(self, value: Value) -> str:
        if value.op == "load":
            dtype = self.program.inputs[value.attr[0]].dtype
            return self._cast_in(f"tl.load({self._row_place(value)})", value, dtype)
        if value.op == "position":
            return f"{self._position(value.attr, 'r', self.program.rows)}.to(tl.int64)"
        return self._text(value)

    def _text(self, value: Value) -> str:
        """The text of one step; numbers alone are made tensors, which the functions expect."""
        if value.op == "position":
            return f"{self._position(value.attr, self.lane, value.length)}.to(tl.int64)"
        args = [self.name(a) for a in value.args]
        kinds = [self.values[a].kind for a in value.args]
        if all(self.values[a].op == "const" for a in value.args):
            args = [f"tl.full((), {a}, {TYPES[k]})" for a, k in zip(args, kinds, strict=True)]
        return self._apply(value, args, kinds)

    def _apply(self, value: Value, args: list[str], kinds: list[str]) -> str:
        op = value.op
        if op in INFIX:
            return f"{args[0]} {INFIX[op]} {args[1]}"
        if op in COMPARE:
            return f"{args[0]} {COMPARE[op]} {args[1]}"
        if op == "where":
            return self._where(value, args)
        if op in ("max", "min"):
            return self._two(op, value.kind, *args)
        if (
            op == "div"
            and value.space == COLUMN
            and self.values[value.args[1]].space != COLUMN
            and is_exact(self.program)
        ):
            over = f"tl.full((), {args[1]}, tl.float32)" if self.values[value.args[1]].op == "const" else args[1]
            return self.call("over", args[0], over)
        if op == "div":
            return f"tl.div_rn({args[0]}, {args[1]})" if is_exact(self.program) else f"{args[0]} / {args[1]}"
        if op == "reciprocal":
            return f"tl.div_rn(1.0, {args[0]})"
        if op == "neg":
            return f"-{args[0]}"
        if op == "not":
            return f"{args[0]} == 0" if value.kind == "b" else f"~{args[0]}"
        if op == "relu":
            return self._two("max", value.kind, args[0], "0.0" if value.kind == "f" else "0")
        if op in ("abs", "floor", "ceil", "erf"):
            return f"tl.{op}({args[0]})"
        if "_to_" in op or op.startswith(("wrap_", "round_")):
            return self._converted(op, args[0])
        if op not in FUNCTIONS:
            raise NotRowwise(f"{op} has no Triton formula here")
        full = [
            f"tl.full((), {a}, {TYPES[k]})" if self.values[v].op == "const" and not a.startswith("tl.") else a
            for v, a, k in zip(value.args, args, kinds, strict=True)
        ]
        return self.call(op, *full)

    def _where(self, value: Value, args: list[str]) -> str:
        if self.values[value.args[0]].op == "const":  # a mask that is known
            args[0] = f"tl.full((), {args[0]}, tl.int1)"
        if all(self.values[a].op == "const" for a in value.args[1:]):
            args[1] = f"tl.full((), {args[1]}, {TYPES[value.kind]})"
        return f"tl.where({', '.join(args)})"

    def _two(self, step: str, kind: str, a: str, b: str) -> str:
        if kind == "f":
            return self.call(step, a, b)
        return f"tl.{step}imum({a}, {b})"

    def _converted(self, op: str, arg: str) -> str:
        if op.startswith("wrap_"):
            return f"({arg}).to(tl.{op.removeprefix('wrap_')}).to(tl.int32)"
        if op.startswith("round_"):
            return f"({arg}).to(tl.{op.removeprefix('round_')}).to(tl.float32)"
        return f"({arg}) != 0" if op.endswith("_b") else f"({arg}).to({TYPES[op[-1]]})"

    # memory --------------------------------------------------------------------------------------------------------

    def _row_place(self, value: Value) -> str:
        tensor, place = value.attr
        parts = [f"{fraction('r', div, mod, self.program.rows)} * {stride}" for div, mod, stride in place.of("r")]
        return " + ".join([self.program.inputs[tensor].name, *parts, *([str(place.off)] if place.off else [])])

    def _position(self, term: Term, var: str, bound: int) -> str:
        return f"({fraction(var, term.div, term.mod, bound)} * {term.mul} + {term.off})"

    def _load(self, i: int, streams: bool) -> str:
        value = self.values[i]
        tensor, place = value.attr
        source = self.program.inputs[tensor]
        columns = place.of("j")
        if len(columns) == 1 and columns[0][0] == 1 and columns[0][1] >= value.length and columns[0][2] == 1:
            column = self.lane
        else:
            parts = [f"{fraction(self.lane, div, mod, value.length)} * {stride}" for div, mod, stride in columns]
            column = f"({' + '.join(parts)})"
        size = 1
        for s in source.shape:
            size *= s
        shared = size < self.program.rows * value.length or not place.of("r")
        policy = "KEEP" if shared or not streams else "LAST"
        text = self.call("get", f"{self._row_place(value)} + {column}", self.masks[value.length], policy)
        return self._cast_in(text, value, source.dtype)

    def _cast_in(self, text: str, value: Value, dtype: str) -> str:
        plain = {"f": "float32", "i": "int32", "l": "int64", "b": "bool"}[value.kind]
        return text if dtype == plain else f"{text}.to({TYPES[value.kind]})"

    def _store(self, store: Store) -> None:
        tensor = self.program.outputs[store.output]
        width = 1
        for size in tensor.shape:
            width *= size
        width //= max(self.program.rows, 1)
        start = f" + {store.start}" if store.start else ""
        place = f"{tensor.name} + r * {width}{start} + {self.lane}"
        inside = self.call("both", "inside", self.masks[store.length])
        self.put(self.call("put", place, self.name(store.value), inside, "STORE"))
