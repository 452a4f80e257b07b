"""A Python file as text, and what can be learned from it without running it.

Candidates are never imported by the trusted process: their language, entry, settings and space are read here, from
the syntax tree alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..problem import Parameter, Space
from ..syntax import tree_of
from ._errors import InputError

MAX_SOURCE_BYTES = 8 << 20


@dataclass(frozen=True)
class Source:
    """One Python file: where it came from, its text, and the names it defines at module level."""

    path: str
    text: str
    syntax_error: str = ""
    functions: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    assigned: frozenset[str] = field(default_factory=frozenset)
    bound: frozenset[str] = field(default_factory=frozenset)  # by whatever statement, also below an if or try

    @property
    def name(self) -> str:
        return Path(self.path).stem

    @cached_property
    def tree(self) -> ast.Module:
        return tree_of(self.text) if not self.syntax_error else ast.Module(body=[], type_ignores=[])

    def literal(self, name: str) -> Any:
        """Return the value of the module-level literal `name`, or None; InputError when it is no literal."""
        for node in self.tree.body:
            if name in _targets(node):
                try:
                    return ast.literal_eval(node.value)  # type: ignore[attr-defined]
                except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                    raise InputError(
                        f"{self.path}: {name} must be a literal, it is read without running the file"
                    ) from None
        return None


def read_source(path: str | Path) -> Source:
    """Read a Python file; InputError when it is missing, too large or no text. A syntax error is kept, not raised."""
    file = Path(path)
    if file.is_dir():
        raise InputError(f"{path} is a folder; give a Python file or the name of an operator")
    if file.exists() and not file.is_file():
        raise InputError(f"{path} is a pipe, a socket or a device; give a Python file")
    try:
        size = file.stat().st_size
        if size > MAX_SOURCE_BYTES:
            raise InputError(f"{path} has {size / 2**20:.0f} MB; a source file has at most {MAX_SOURCE_BYTES >> 20} MB")
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; give a Python source file in UTF-8") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    return parse_source(text, str(path))


def parse_source(text: str, path: str) -> Source:
    """Return what `text` defines at module level, without running it."""
    try:
        tree = tree_of(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f"line {error.lineno}: " if isinstance(error, SyntaxError) and error.lineno else ""
        deep = "it is nested too deeply" if isinstance(error, RecursionError | MemoryError) else ""
        return Source(path, text, syntax_error=f"{line}{deep or getattr(error, 'msg', None) or error}")
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    return Source(
        path=path,
        text=text,
        functions=tuple(f.name for f in functions if not _is_kernel(f)),
        kernels=tuple(f.name for f in functions if _is_kernel(f)),
        assigned=frozenset(name for node in tree.body for name in _targets(node)),
        bound=frozenset(name for node in _outside_functions(tree.body) for name in _bound_by(node)),
    )


def language_of(source: Source) -> str:
    """Return the language a candidate is written in: its literal LANGUAGE, else what its text shows."""
    declared = source.literal("LANGUAGE")
    if declared is not None:
        return str(declared)
    if any("gluon" in d for d in _decorators(source.tree)):
        return "gluon"
    if any(d.startswith(("triton.", "jit")) for d in _decorators(source.tree)):
        return "triton"
    builds_itself = "cpp_extension" in source.text  # with torch's own build, when it is loaded
    kernel = source.literal("SOURCE") if "SOURCE" in source.assigned and not builds_itself else None
    if isinstance(kernel, str):
        return "cuda" if "__global__" in kernel else "cpp"
    return "torch"


def settings_of(source: Source) -> tuple[dict[str, Any], Space]:
    """Return the literals PARAMS and SPACE (with CONSTRAINTS) of a candidate, checked against each other."""
    params = source.literal("PARAMS") or {}
    space = source.literal("SPACE") or {}
    constraints = source.literal("CONSTRAINTS") or []
    if not _is_settings(params):
        raise InputError(f"{source.path}: PARAMS must be a dict of names to values, such as {{'BLOCK': 256}}")
    if not _is_settings(space) or not all(isinstance(v, list | tuple) and v for v in space.values()):
        raise InputError(
            f"{source.path}: SPACE must give a list of values for each name, such as {{'BLOCK': [128, 256]}}"
        )
    for name in space:
        if name not in params:
            raise InputError(f"{source.path}: SPACE tunes {name!r}, which PARAMS does not set; add it to PARAMS")
        if params[name] not in space[name]:
            raise InputError(
                f"{source.path}: PARAMS[{name!r}] = {params[name]!r} is none of SPACE's {list(space[name])}"
            )
    parameters = tuple(Parameter(name=n, values=tuple(v), default=params[n]) for n, v in space.items())
    words = {n for n, v in space.items() if not all(isinstance(one, bool | int | float) for one in v)}
    for constraint in constraints:
        _check_expression(source, str(constraint), words)
    made = Space(parameters=parameters, constraints=tuple(str(c) for c in constraints))
    _check_constraints(source, made)
    return params, made


_PLAIN = (ast.Expression, ast.Name, ast.Load, ast.Constant, ast.Compare, ast.IfExp, ast.Call, ast.Tuple, ast.List)
_BETWEEN = (ast.cmpop, ast.boolop, ast.unaryop, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.BitAnd)
_ALLOWED = (*_PLAIN, *_BETWEEN, ast.BoolOp, ast.UnaryOp, ast.BinOp)


def _check_expression(source: Source, text: str, words: set[str]) -> None:
    """InputError unless `text` is plain arithmetic: it is evaluated here, and a candidate is not to be trusted.

    No attributes, no calls but min and max, no powers or shifts, and no arithmetic with `words`, the names of settings
    that are no numbers: all of these can reach further, or take time and memory without end.
    """
    try:
        nodes = list(ast.walk(tree_of(text.strip(), mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{source.path}: a constraint cannot be evaluated over the names of SPACE: {error}") from None
    for node in nodes:
        calls = isinstance(node, ast.Call)
        known = not calls or (getattr(node.func, "id", "") in ("min", "max") and not node.keywords)  # type: ignore[attr-defined]
        inside = list(ast.walk(node)) if isinstance(node, ast.BinOp) else []
        numbers = all(
            isinstance(n.value, bool | int | float)
            if isinstance(n, ast.Constant)
            else getattr(n, "id", "") not in words
            for n in inside
            if isinstance(n, ast.Constant | ast.Name)
        ) and not any(isinstance(n, ast.Tuple | ast.List) for n in inside)
        if not isinstance(node, _ALLOWED) or not known or not numbers or len(text) > 1000:
            raise InputError(
                f"{source.path}: {text[:80]!r} is more than arithmetic, comparisons, min and max of numbers"
            )


def _check_constraints(source: Source, space: Space) -> None:
    try:
        met = space.allows(space.defaults())
    except (NameError, SyntaxError, TypeError, ArithmeticError) as error:
        raise InputError(f"{source.path}: a constraint cannot be evaluated over the names of SPACE: {error}") from None
    if not met:
        raise InputError(f"{source.path}: PARAMS does not meet CONSTRAINTS {list(space.constraints)}")


def _is_settings(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(k, str) for k in value)


def _outside_functions(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Every statement that runs when the file does: those in branches too, those in functions and classes not."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
            blocks += [handler.body for handler in getattr(node, "handlers", [])]
            for block in blocks:
                yield from _outside_functions(block)


def _bound_by(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    return _targets(node)


def _targets(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign):
        return [t.id for t in node.targets if isinstance(t, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return [node.target.id]
    return []


def _decorators(tree: ast.Module) -> list[str]:
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    return [ast.unparse(d) for n in nodes for d in n.decorator_list]


def _is_kernel(function: ast.FunctionDef) -> bool:
    names = [ast.unparse(d).split("(")[0].rsplit(".", 1)[-1] for d in function.decorator_list]
    return any(n in {"jit", "autotune", "heuristics"} for n in names)
