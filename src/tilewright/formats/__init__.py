"""Other people's problems and kernels, read and written: one file per format, found by listing this folder.

A format file defines NAME, `is_problem(source)`, `is_candidate(source, problem)`, `read_candidate(source, problem)`
and, when it has problems, `read_problem(source, timeout_s)` and `bind(problem, source)`. Files that begin with an
underscore are no formats. Problem files are trusted and are run here, after a probe in a process of their own;
candidate files are only ever read as text.
"""

from __future__ import annotations

import difflib
import pkgutil
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from ..candidate import Candidate
from ..problem import Problem
from ._errors import InputError, MachineError
from ._probe import LOAD_TIMEOUT_S
from ._source import Source, parse_source, read_source

__all__ = [
    "LOAD_TIMEOUT_S",
    "InputError",
    "MachineError",
    "bind",
    "detect_kind",
    "load_candidate",
    "load_problem",
    "operator_impls",
    "split_operator",
]


@cache
def formats() -> dict[str, ModuleType]:
    """Every format by name. KernelBench is asked first, then Triton, then native: the most telling signs first."""
    names = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
    order = {"kernelbench": 0, "native": 9}
    return {n: import_module(f".{n}", __name__) for n in sorted(names, key=lambda n: (order.get(n, 1), n))}


def split_operator(target: str) -> tuple[str, str] | None:
    """Return (operator, impl or "") when `target` names an operator, else None; InputError for an unknown impl."""
    from .. import ops

    name, _, impl = target.partition(":")
    if name not in ops.names() or Path(target).is_file():
        return None
    impls = operator_impls(name)
    if impl and impl not in impls:
        raise InputError(f"{name} has no implementation {impl!r}; it has {', '.join(impls)}{_near(impl, impls)}")
    return name, impl


def operator_impls(name: str) -> list[str]:
    """Return the implementations of the operator `name`, from the simplest to the fastest."""
    from .. import ops

    return list(ops.get(name).impls)


def detect_kind(target: str) -> str:
    """Return what `target` is: "operator", "problem", "candidate" or "both"; InputError with near names if nothing."""
    if split_operator(target):
        return "operator"
    source = _read(target)
    if any(f.is_problem(source) for f in formats().values()):
        return "both" if _has_candidate(source) else "problem"
    return "candidate"


def load_problem(target: str, timeout_s: float = LOAD_TIMEOUT_S) -> Problem:
    """Return the problem that `target`, an operator or a file, poses; InputError or MachineError in one line."""
    from .. import ops

    operator = split_operator(target)
    if operator:
        return ops.get(operator[0])
    source = _read(target)
    if source.syntax_error:
        raise InputError(f"{target} is not valid Python: {source.syntax_error}")
    for format in formats().values():
        if format.is_problem(source):
            return format.read_problem(source, timeout_s)
    raise InputError(f"{target} is no problem: {_missing(source)}")


def load_candidate(target: str, problem: Problem) -> Candidate:
    """Return the candidate in the file `target`, read as text and never run here; InputError in one line."""
    source = _read(target)
    if source.syntax_error:
        return _broken(source, problem)
    for format in formats().values():
        if format.is_candidate(source, problem):
            return format.read_candidate(source, problem)
    wanted = "a class ModelNew" if problem.kind == "module" else f"a function {problem.name}"
    raise InputError(f"{target} has no candidate for {problem.name}; define {wanted}, or set ENTRY = 'its name'")


def bind(problem: Problem) -> Problem:
    """Return a problem that was read from JSON with its callables bound again from its own source."""
    from .. import ops

    if problem.reference is not None:
        return problem
    if problem.name in ops.names() and ops.get(problem.name).digest == problem.digest:
        return ops.get(problem.name)  # an operator of this package, whose text imports its neighbours
    source = parse_source(problem.source, f"{problem.name}.py")
    return formats()[problem.format].bind(problem, source)


def _broken(source: Source, problem: Problem) -> Candidate:
    """A file that does not parse is still a candidate: its verdict is COMPILE_ERROR, which the child will find."""
    entry = "ModelNew" if problem.kind == "module" else problem.name
    return Candidate(name=source.name, source=source.text, entry=entry, kind=problem.kind)


def _has_candidate(source: Source) -> bool:
    return "ModelNew" in source.classes or source.literal("ENTRY") is not None


def _read(target: str) -> Source:
    from .. import ops

    path = Path(target)
    if not path.exists():
        here = [p.name for p in Path(path.parent).glob("*.py")] if path.parent.is_dir() else []
        near = [str(path.parent / n) if path.parent != Path() else n for n in here]
        kind = "file" if target.endswith(".py") or "/" in target else "operator or file"
        raise InputError(f"there is no {kind} {target!r}{_near(target, [*ops.names(), *near])}")
    return read_source(path)


def _missing(source: Source) -> str:
    if "ModelNew" in source.classes:
        return "it defines ModelNew, a candidate; name its problem with --problem"
    if source.kernels:
        return "it is a Triton kernel; name its problem with --problem"
    if "Model" in source.classes:
        return "it defines Model but no get_inputs(), which must return the list of forward's arguments"
    return "it defines neither Model with get_inputs() nor PROBLEM"


def _near(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else ""
