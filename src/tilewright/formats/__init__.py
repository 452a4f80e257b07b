"""Other people's problems and kernels, read and written: one file per format, found by listing this folder.

A format file defines NAME and what it can do. Candidates in Python files: `is_candidate(source, problem)` and
`read_candidate(source, problem)`. Problems in Python files: `is_problem(source)`, `read_problem(source, timeout_s)`.
Folders and other files: `opens(path)`, which says what is there or None, `holds(found)`, `pose(found, target, wanted,
timeout_s)`, and `offers(found, problem)`, the candidates there. Every problem: `bind(problem, source)`. To export:
`write(candidate, problem)`, the files by name. Files that begin with an underscore are no formats.
Problem files are trusted and are run here, after a probe in a process of their own; candidate files are only ever read
as text.
"""

from __future__ import annotations

import difflib
import pkgutil
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

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
    "export",
    "export_names",
    "load_candidate",
    "load_candidates",
    "load_problem",
    "operator_impls",
    "split_operator",
    "write_files",
]


@cache
def formats() -> dict[str, ModuleType]:
    """Every format by name. KernelBench is asked first, native last: the most telling signs first."""
    names = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
    order = {"kernelbench": 0, "native": 9}
    return {n: import_module(f".{n}", __name__) for n in sorted(names, key=lambda n: (order.get(n, 1), n))}


def _able(verb: str) -> list[ModuleType]:
    return [f for f in formats().values() if hasattr(f, verb)]


def export_names() -> list[str]:
    """The formats that candidates can be written in."""
    return [f.NAME for f in _able("write")]


def export(candidate: Candidate, problem: Problem, to: str) -> dict[str, str]:
    """Return `candidate` in the format `to`: texts by their path in a folder; InputError in one line."""
    if to not in export_names():
        raise InputError(f"there is no format {to!r} to export to; choose one of {', '.join(export_names())}")
    return formats()[to].write(candidate, problem)


def write_files(files: dict[str, str], out: Path) -> tuple[str, ...]:
    """Write `files` below the folder `out`, and return their paths; a name with a suffix is one file's own.

    Of several files, that one is the candidate's, the last of them.
    """
    chosen = {out / name: text for name, text in files.items()}
    if out.suffix and not out.is_dir():
        chosen = {out: list(files.values())[-1]}
    try:
        for path, text in chosen.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}") from None
    return tuple(str(p) for p in chosen)


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
    opened = _opened(target)
    if opened:
        return opened[0].holds(opened[1])
    source = _read(target)
    if any(f.is_problem(source) for f in _able("is_problem")):
        return "both" if _has_candidate(source) else "problem"
    return "candidate"


def load_problem(target: str, timeout_s: float = LOAD_TIMEOUT_S, candidate: str = "") -> Problem:
    """Return the problem that `target`, an operator, a file or a folder, poses; InputError or MachineError in one line.

    Of a folder with many problems it is the one that `candidate`, a path, is for.
    """
    from .. import ops

    operator = split_operator(target)
    if operator:
        return ops.get(operator[0])
    opened = _opened(target)
    if opened:
        format, found = opened
        return format.pose(found, target, _wanted(candidate or target), timeout_s)
    source = _read(target)
    if source.syntax_error:
        raise InputError(f"{target} is not valid Python: {source.syntax_error}")
    for format in _able("is_problem"):
        if format.is_problem(source):
            return format.read_problem(source, timeout_s)
    raise InputError(f"{target} is no problem: {_missing(source)}")


def load_candidates(target: str, problem: Problem) -> tuple[Candidate, ...]:
    """Return the candidates for `problem` in the file or folder `target`, read as text; InputError in one line."""
    opened = _opened(target)
    if opened is None:
        return (_in_source(target, problem),)
    format, found = opened
    if problem.format != format.NAME and problem.format not in getattr(format, "DIALECTS", ()):
        raise InputError(f"{target} is of the format {format.NAME}; its problem cannot be {problem.name}")
    return format.offers(found, problem)


def load_candidate(target: str, problem: Problem) -> Candidate:
    """Return the one candidate for `problem` in `target`, read as text and never run here; InputError in one line."""
    found = load_candidates(target, problem)
    if len(found) != 1:
        raise InputError(f"{target} has {len(found)} candidates for {problem.name}; name the file of one")
    return found[0]


def _in_source(target: str, problem: Problem) -> Candidate:
    source = _read(target)
    if source.syntax_error:
        return _broken(source, problem)
    for format in _able("is_candidate"):
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


def _opened(target: str) -> tuple[ModuleType, Any] | None:
    """Return the format that knows the folder or data file `target`, and what it found there."""
    path = Path(target)
    if "\0" in target or not (path.is_file() or path.is_dir()):
        return None
    for format in _able("opens"):
        found = format.opens(path)
        if found is not None:
            return format, found
    if path.is_dir():
        raise InputError(
            f"{target} is a folder without a problem: definition.json, definitions/ or task.yml; give a Python file, "
            "the name of an operator, or such a folder"
        )
    return None


def _wanted(candidate: str) -> str:
    """The name of the problem that the file `candidate` says it is for, or ""."""
    from ._trace_set import wanted_by

    return wanted_by(Path(candidate))


def _broken(source: Source, problem: Problem) -> Candidate:
    """A file that does not parse is still a candidate: its verdict is COMPILE_ERROR, which the child will find."""
    entry = "ModelNew" if problem.kind == "module" else problem.name
    return Candidate(name=source.name, source=source.text, entry=entry, kind=problem.kind)


def _has_candidate(source: Source) -> bool:
    return "ModelNew" in source.bound or source.literal("ENTRY") is not None


def _read(target: str) -> Source:
    from .. import ops

    path = Path(target)
    if path.is_symlink() and not path.exists():
        raise InputError(f"{target} is a link that leads to no file; give a Python file")
    if not path.exists():
        here = [p.name for p in Path(path.parent).glob("*.py")] if path.parent.is_dir() else []
        near = [str(path.parent / n) if path.parent != Path() else n for n in here]
        kind = "file" if target.endswith(".py") or "/" in target else "operator or file"
        raise InputError(f"there is no {kind} {target!r}{_near(target, [*ops.names(), *near])}")
    return read_source(path)


def _missing(source: Source) -> str:
    if "ModelNew" in source.bound:
        return "it defines ModelNew, a candidate; name its problem with --problem"
    if source.kernels:
        return "it is a Triton kernel; name its problem with --problem"
    if "Model" in source.bound:
        return "it defines Model but no get_inputs(), which must return the list of forward's arguments"
    return "it defines neither Model with get_inputs() nor PROBLEM"


def _near(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else ""
