"""What a kernel is compared with, by the name that `bench --baseline` takes: a file found by listing this folder.

Such a file defines `NAMES`, the baselines that it makes, and `candidate(name, context)`, which returns one, or raises
`Skipped` with the reason why there is none for this problem. The library of others names its `PACKAGE` as Python
imports it and `INSTALL`, the line that installs it. It is never imported here: the text of the candidate imports it,
in a process of its own, and is verified before it is timed, like any other.
"""

from __future__ import annotations

import importlib.util
import pkgutil
from functools import cache
from importlib import import_module
from types import ModuleType

from .. import ops
from ..candidate import Candidate
from ..optimize.context import Context, Declined
from ..problem import Problem

_FIRST = ("eager", "compile", "compile-max", "vendor")


class Skipped(Exception):
    """There is no such baseline here; the message is one line that says why, and what to install."""


@cache
def _modules() -> dict[str, ModuleType]:
    """The file of every baseline, by the baseline's name."""
    found = [import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    return {name: module for module in found for name in module.NAMES}


def names() -> tuple[str, ...]:
    """The baselines that there are, the usual ones first."""
    others = sorted(name for name in _modules() if name not in _FIRST)
    return (*_FIRST, *others)


def candidate(name: str, context: Context) -> Candidate:
    """Return the baseline `name` for the problem and workload of `context`. Raises Skipped."""
    module = _modules()[name]
    package = getattr(module, "PACKAGE", "")
    missing = bool(package) and importlib.util.find_spec(package) is None
    if getattr(module, "GPU_ONLY", False) and context.device == "cpu":
        wanted = f", and {module.INSTALL}" if missing else ""
        raise Skipped(f"{name} runs on a GPU only: it needs --device cuda{wanted}")
    if missing:
        raise Skipped(f"{name} is not installed: {module.INSTALL}")
    try:
        found: Candidate = module.candidate(name, context)
    except Declined as reason:
        raise Skipped(str(reason)) from reason
    return found.with_(name=name)


def operator(problem: Problem) -> str:
    """The name of the library's operator that `problem` is; "" if it is none."""
    return problem.name if problem.name in ops.names() and problem.digest == ops.get(problem.name).digest else ""


def text_for(name: str, texts: dict[str, str], context: Context) -> str:
    """Return the text that `name` has for the operator of `context`. Raises Skipped where it has none."""
    found = operator(context.problem)
    if found not in texts:
        known = ", ".join(sorted(texts))
        raise Skipped(f"{name} has no call for {context.problem.name}; it has {known}, as the library defines them")
    return texts[found]
