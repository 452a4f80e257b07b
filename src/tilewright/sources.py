"""What recorded figures depend on: a digest of sources, which prose and formatting leave as it is.

A file counts by its syntax tree, without docstrings: comments, layout and documentation force no measurement to be made
again, and the digest is the same under every supported version of Python. Text inside a literal, the C++ of a kernel
included, counts as it stands. Of the modules that a file imports, the definitions that are reached count, and what
they reach in turn, as far as they lie in `ops` or `build`: that is the code which runs as a kernel, launches it, or
sets the flags it is built with.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .schema import canonical_json, content_digest
from .syntax import tree_of

ROOT = Path(__file__).parent
_FOLLOWED = ("ops", "build")
_SUFFIXES = (".py", ".json", ".hpp", ".h", ".cpp", ".cu", ".cuh")
_UNSEEN = ("ctx", "kind", "type_comment")  # fields of a syntax tree that say nothing more than others do


def digest(paths: Iterable[Path]) -> str:
    """Return the digest of the files `paths` of this package, whole, and of what they reach in others."""
    reached = _Reached()
    for path in paths:
        reached.file(path)
    return content_digest(*(text for part in sorted(reached.parts.items()) for text in part))


def files_of(folder: Path) -> list[Path]:
    """The sources and data in `folder` and below, sorted."""
    return sorted(p for p in folder.rglob("*") if p.suffix in _SUFFIXES)


@dataclass(frozen=True)
class _Module:
    """A file by its top level: `defined` are the statements that define a name, `rest` those that only do something,
    `imports` the module and attribute behind a local name."""

    path: Path
    defined: dict[str, list[ast.stmt]]
    rest: list[ast.stmt]
    imports: dict[str, tuple[str, str]]

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()


class _Reached:
    """Collects texts by the file, or the file and the name, that they are of."""

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}

    def file(self, path: Path) -> None:
        if path.suffix != ".py":
            text = path.read_text()
            key = path.relative_to(ROOT).as_posix()
            self.parts[key] = canonical_json(json.loads(text)) if path.suffix == ".json" else text
            return
        module = _module(path)
        self._take(module, module.name, module.rest)
        for name in module.defined:
            self._name(module, name)

    def _name(self, module: _Module, name: str) -> None:
        if name == "__file__":  # it reads its own text
            self.file(module.path)
        elif name in module.defined:
            self._take(module, module.name, module.rest)
            self._take(module, f"{module.name} {name}", module.defined[name])
        elif name in module.imports:
            self._import(*module.imports[name])

    def _take(self, module: _Module, key: str, statements: Sequence[ast.stmt]) -> None:
        if key in self.parts:
            return
        self.parts[key] = canonical_json(_shape(list(statements)))
        for node in (n for s in statements for n in ast.walk(s)):
            if isinstance(node, ast.Name):
                self._name(module, node.id)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for target in _imports(node, module.path).values():
                    self._import(*target)

    def _import(self, name: str, attribute: str) -> None:
        if name.split("/")[0] not in _FOLLOWED:
            return
        if attribute and (path := _file(f"{name}/{attribute}")):
            self.file(path)
        elif path := _file(name):
            self._name(_module(path), attribute) if attribute else self.file(path)


@cache
def _module(path: Path) -> _Module:
    defined: dict[str, list[ast.stmt]] = {}
    rest: list[ast.stmt] = []
    imports: dict[str, tuple[str, str]] = {}
    for statement in tree_of(path.read_text()).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            imports |= _imports(statement, path)
            continue
        names = list(_defines(statement))
        for name in names:
            defined.setdefault(name, []).append(statement)
        if not names:
            rest.append(statement)
    return _Module(path, defined, rest, imports)


def _defines(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))


def _imports(statement: ast.Import | ast.ImportFrom, path: Path) -> dict[str, tuple[str, str]]:
    """What is imported from this package: local name -> (module as a path below the package, attribute or "")."""
    if isinstance(statement, ast.Import):
        own = [a for a in statement.names if a.name.startswith("tilewright.")]
        return {a.asname or a.name: ("/".join(a.name.split(".")[1:]), "") for a in own}
    if statement.level:
        base = path.relative_to(ROOT).parents[statement.level - 1].parts
    elif (statement.module or "").split(".")[0] == "tilewright":
        base = ()
    else:
        return {}
    inside = (statement.module or "").removeprefix("" if statement.level else "tilewright").strip(".")
    module = "/".join([*base, *(inside.split(".") if inside else [])])
    return {a.asname or a.name: (module, a.name) for a in statement.names}


def _file(module: str) -> Path | None:
    found = (ROOT / f"{module}.py", ROOT / module / "__init__.py")
    return next((p for p in found if p.is_file()), None)


def _shape(node: Any) -> Any:
    """A syntax tree as plain lists, without docstrings and without fields that only some versions of Python have."""
    if isinstance(node, list):
        return [_shape(n) for n in node if not _is_prose(n)]
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if name not in _UNSEEN)
        return [type(node).__name__, {name: _shape(value) for name, value in fields if value not in (None, [])}]
    return repr(node)


def _is_prose(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
