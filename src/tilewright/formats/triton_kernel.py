"""Triton kernel files: `@triton.jit` functions and one plain function that launches them.

The launcher has the reference's name and arguments, or the literal `ENTRY = "name"` names it.
"""

from __future__ import annotations

from ..candidate import Candidate
from ..problem import Problem
from ._errors import InputError
from ._source import Source
from .kernelbench import call_of
from .native import entry_of
from .native import read_candidate as read_function

NAME = "triton_kernel"


def is_candidate(source: Source, problem: Problem | None) -> bool:
    return bool(source.kernels)


def read_candidate(source: Source, problem: Problem) -> Candidate:
    """Return the launcher of `source` as a candidate in the language "triton"; nothing is run."""
    if entry_of(source, problem) is None:
        kernels = ", ".join(source.kernels)
        raise InputError(
            f"{source.path} has kernels ({kernels}) but no function that launches them: "
            f"define {call_of(problem)}, or set ENTRY = 'its name'"
        )
    return read_function(source, problem)
