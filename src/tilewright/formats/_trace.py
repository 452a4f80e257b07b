"""The nouns of FlashInfer-Bench and SOL-ExecBench: definition, workload, solution, trace.

Both projects share one family of JSON files. What one of them adds (SOL-ExecBench: computed axes, inputs made by a
function, tolerances, several languages) is optional here, and fields that we do not know are kept, so that what is read
and written again has lost nothing.
"""

from __future__ import annotations

import ast
import json
import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..syntax import tree_of
from ._errors import InputError

MAX_JSON_BYTES = 16 << 20
MAX_LINES_BYTES = 64 << 20
_MAX_SIZE = 1 << 62

DTYPES = {"float4_e2m1": "float4_e2m1fn_x2"}
_FLOATS = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz")
_OTHERS = ("float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2", "int64", "int32", "int16", "int8", "uint8", "bool")
_KNOWN_DTYPES = frozenset((*_FLOATS, *_OTHERS))


class Foreign(BaseModel):
    """A JSON object of another project: only what was in the file is written back."""

    model_config = ConfigDict(extra="allow", frozen=True)

    def dump(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_unset=True)


class Axis(Foreign):
    """A named size: `const` has a value, `var` gets one from each workload, `expr` is computed from the others."""

    type: Literal["const", "var", "expr"]
    value: int | None = Field(default=None, ge=0, le=_MAX_SIZE)
    expression: str | None = None


class TensorSpec(Foreign):
    """Shape (names of axes, or None for a Python scalar) and dtype of an input or output."""

    shape: tuple[str | int, ...] | None
    dtype: str


class Definition(Foreign):
    """A problem: named axes, inputs, outputs, and the source text of a reference function `run`."""

    name: str = Field(min_length=1, max_length=300)
    axes: dict[str, Axis]
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec] = Field(min_length=1)
    reference: str
    op_type: str | None = None
    description: str | None = None
    constraints: tuple[str, ...] | None = None
    custom_inputs_entrypoint: str | None = None


class Descriptor(Foreign):
    """Where one input of a workload comes from."""

    type: Literal["random", "scalar", "safetensors", "custom"]
    value: bool | int | float | None = None
    path: str | None = None
    tensor_key: str | None = None


class WorkloadEntry(Foreign):
    """The sizes of the variable axes, and where the inputs come from."""

    uuid: str
    axes: dict[str, int]
    inputs: dict[str, Descriptor]


class Trace(Foreign):
    """A workload of a definition and, once it was run, which solution did how well."""

    definition: str
    workload: WorkloadEntry
    solution: str | None = None
    evaluation: dict[str, Any] | None = None


class SourceFile(Foreign):
    path: str = Field(min_length=1, max_length=500)
    content: str


class BuildSpec(Foreign):
    """How a solution is built and called. `language` is FlashInfer-Bench's word, `languages` SOL-ExecBench's."""

    entry_point: str
    language: str | None = None
    languages: tuple[str, ...] | None = None
    destination_passing_style: bool = True
    binding: str | None = None
    dependencies: tuple[str, ...] | None = None
    compile_options: dict[str, Any] | None = None

    @property
    def all_languages(self) -> tuple[str, ...]:
        return self.languages or ((self.language,) if self.language else ())


class Solution(Foreign):
    """One way to compute a definition: source files, and how they are called."""

    name: str = Field(min_length=1, max_length=300)
    definition: str
    spec: BuildSpec
    sources: tuple[SourceFile, ...] = Field(min_length=1, max_length=1000)
    author: str = ""

    def entry(self) -> tuple[str, str]:
        """Return (file, function) of the entry point."""
        path, _, symbol = self.spec.entry_point.partition("::")
        return path, symbol

    def files(self) -> dict[str, str]:
        return {s.path: s.content for s in self.sources}


F = TypeVar("F", bound=Foreign)
_WORDS = {"WorkloadEntry": "workload"}


def parse(noun: type[F], data: Any, path: str) -> F:
    """Return `data` as `noun`; InputError names the first field that is wrong."""
    word = _WORDS.get(noun.__name__, noun.__name__.lower())
    try:
        return noun.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise InputError(f"{path} is no {word}: {where[:100]}: {first['msg']}") from None


def read_definition(path: Path) -> Definition:
    """Return the definition in the file `path`, checked; a reference.py beside it stands in for a missing text."""
    data = read_json(path)
    beside = path.with_name("reference.py")
    if isinstance(data, dict) and "reference" not in data and beside.is_file():
        data = {**data, "reference": read_text(beside, MAX_JSON_BYTES)}
    definition = parse(Definition, data, str(path))
    check_definition(definition, str(path))
    return definition


def check_definition(definition: Definition, path: str) -> None:
    """InputError when the definition's parts do not fit together."""
    try:
        body = tree_of(definition.reference).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{path}: its reference is not valid Python: {getattr(error, 'msg', None) or error}") from None
    if not any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in body):
        raise InputError(f"{path}: its reference defines no function run, which must compute the outputs")
    for name, spec in {**definition.inputs, **definition.outputs}.items():
        if not name.isidentifier():
            raise InputError(f"{path}: {name!r} cannot be the name of an argument")
        if DTYPES.get(spec.dtype, spec.dtype) not in _KNOWN_DTYPES:
            raise InputError(f"{path}: {name} has the dtype {spec.dtype!r}, which is none of {_known_names()}")
        missing = [a for a in spec.shape or () if isinstance(a, str) and a not in definition.axes]
        if missing:
            raise InputError(f"{path}: {name} has the axis {missing[0]!r}, which axes does not define")
    if both := set(definition.inputs) & set(definition.outputs):
        raise InputError(f"{path}: {sorted(both)[0]!r} is both an input and an output")
    for name, axis in definition.axes.items():
        if (axis.type == "const" and axis.value is None) or (axis.type == "expr" and not axis.expression):
            raise InputError(f"{path}: the axis {name!r} of type {axis.type} has no value")


def check_solution(solution: Solution, path: str) -> None:
    """InputError when paths lead out of the solution's folder, or the entry point is none of its files."""
    file, symbol = solution.entry()
    if not symbol.isidentifier():
        raise InputError(f"{path}: entry_point is {solution.spec.entry_point!r}; it must be FILE::FUNCTION")
    files = solution.files()
    if len(files) < len(solution.sources):
        raise InputError(f"{path}: two of its sources have one path")
    for name in files:
        if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name or "\\" in name:
            raise InputError(f"{path}: the source path {name!r} must be relative and stay inside the solution")
    if file not in files:
        raise InputError(f"{path}: entry_point names the file {file!r}; its sources are {', '.join(sorted(files))}")


def read_text(path: Path, limit_bytes: int) -> str:
    """Return the text of the file `path`; InputError when it is missing, too large or not UTF-8."""
    try:
        size = path.stat().st_size
        if size > limit_bytes:
            raise InputError(f"{path} has {size / 2**20:.0f} MB; at most {limit_bytes >> 20} MB are read")
        if not path.is_file():
            raise InputError(f"{path} is no file")
        with path.open("rb") as file:
            return file.read(limit_bytes).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def read_json(path: Path) -> Any:
    """Return the JSON in the file `path`; InputError when there is none."""
    return loads(read_text(path, MAX_JSON_BYTES), str(path))


def read_lines(path: Path) -> list[Any]:
    """Return the JSON of every line of `path` that is not empty; InputError names the line that is wrong."""
    lines = read_text(path, MAX_LINES_BYTES).splitlines()
    return [loads(line, f"{path} line {n}") for n, line in enumerate(lines, 1) if line.strip()]


def loads(text: str, path: str) -> Any:
    """Return the JSON in `text`; NaN and infinities are refused, since what is stored could not be read again."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON number")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise InputError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {' '.join(str(error).split())[:200]}") from None


_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


def resolve_axes(definition: Definition, sizes: Mapping[str, int], path: str) -> dict[str, int]:
    """Return the size of every axis, given those of the variable ones; InputError names what is missing."""
    found: dict[str, int] = {}
    for name, axis in definition.axes.items():
        if axis.type == "var":
            if name not in sizes:
                raise InputError(f"{path}: a workload gives no size for the variable axis {name!r}")
            found[name] = sizes[name]
        elif axis.value is not None and axis.type == "const":
            found[name] = axis.value
    for name, axis in definition.axes.items():
        if axis.type == "expr" and axis.expression is not None:
            found[name] = evaluate(axis.expression, found, f"{path}: the axis {name!r}")
    for name, size in found.items():
        if not 0 <= size <= _MAX_SIZE:
            raise InputError(f"{path}: the axis {name!r} has the size {size}")
    return {name: found[name] for name in definition.axes}


def evaluate(expression: str, sizes: Mapping[str, int], where: str) -> int:
    """Return the whole number that an arithmetic expression over `sizes` gives; nothing else is evaluated."""
    try:
        value = _value(tree_of(expression.strip(), mode="eval").body, sizes)
        if value != int(value):
            raise ValueError(f"{value} is no whole number")
        return int(value)
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or error
        raise InputError(f"{where}: {expression[:80]!r} cannot be computed: {reason}") from None


def _value(node: ast.expr, sizes: Mapping[str, int]) -> int | float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value  # type: ignore[return-value]
    if isinstance(node, ast.Name) and node.id in sizes:
        return sizes[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        value = _value(node.operand, sizes)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _value(node.left, sizes), _value(node.right, sizes)
        if isinstance(node.op, ast.Pow) and abs(right) > 64:
            raise ValueError("an exponent over 64")
        value = _OPERATORS[type(node.op)](left, right)
        if isinstance(value, complex) or abs(value) > _MAX_SIZE:
            raise ValueError("a number over 2^62")
        return value
    raise ValueError(f"{ast.unparse(node)[:40]!r} is no number, known axis, or + - * / // % ** of such")


def _known_names() -> str:
    return ", ".join(sorted(_KNOWN_DTYPES))
