"""Native files: a Python file whose `PROBLEM` is a tilewright.Problem, as in the operators of this package.

A candidate is a file that defines a function with the problem's name and its reference's arguments, or names its
function in a literal `ENTRY`.
"""

from __future__ import annotations

from ..candidate import Candidate
from ..problem import Problem
from ._errors import InputError
from ._module import run_module
from ._probe import LOAD_TIMEOUT_S, probe
from ._source import Source, language_of, settings_of
from .kernelbench import call_of

NAME = "native"


def is_problem(source: Source) -> bool:
    return "PROBLEM" in source.assigned


def is_candidate(source: Source, problem: Problem | None) -> bool:
    return not source.kernels and entry_of(source, problem) is not None


def read_problem(source: Source, timeout_s: float = LOAD_TIMEOUT_S) -> Problem:
    """Return the `PROBLEM` of `source`, with the file's text as its source."""
    probe(source, NAME, timeout_s)
    return bind(Problem(name=source.name), source)


def bind(problem: Problem, source: Source) -> Problem:
    """Return the `PROBLEM` that running `source` gives; of `problem`, only the name is used in messages."""
    found = getattr(run_module(source), "PROBLEM", None)
    if not isinstance(found, Problem):
        raise InputError(f"{source.path}: PROBLEM of {problem.name} must be a tilewright.Problem")
    return found.with_(format=NAME, source=source.text)


def entry_of(source: Source, problem: Problem | None) -> str | None:
    """Return the name of the function that `source` offers for `problem`, or None."""
    declared = source.literal("ENTRY")
    if declared is not None:
        if declared not in source.bound:
            raise InputError(f"{source.path}: ENTRY = {declared!r}, but the file defines nothing of that name")
        return str(declared)
    reference = getattr(problem.reference, "__name__", "") if problem else ""
    wanted = [n for n in ((problem.name if problem else ""), reference) if n]
    for name in wanted:
        if name in source.functions or name in source.assigned:
            return name
    public = [n for n in source.functions if not n.startswith("_")]
    return public[0] if len(public) == 1 else None


def read_candidate(source: Source, problem: Problem) -> Candidate:
    """Return the function of `source` that computes `problem`, read without running it."""
    entry = entry_of(source, problem)
    if entry is None:
        raise InputError(f"{source.path} defines no {call_of(problem)}; define it, or set ENTRY = 'its name'")
    params, space = settings_of(source)
    language = language_of(source)
    return Candidate(name=source.name, source=source.text, entry=entry, language=language, params=params, space=space)
