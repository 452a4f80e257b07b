"""Source -> something callable, one file per language: cpp, triton, gluon, cuda (torch needs no build).

A compiler is a large program that reads whatever a source asks it to, so who builds what others wrote does it behind
the wall: see child.compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..candidate import Candidate, CandidateError, Status, literal

Make = Callable[[str, Mapping[str, object], float], object]


class ToolMissing(Exception):
    """A compiler that a candidate needs is not on this machine; the message says what to install."""


def prebuild(candidate: Candidate, timeout_s: float = 60.0, make: Make | None = None) -> None:
    """Build what can be built without running the candidate, into the cache that children read.

    `make(source, settings, timeout_s)` builds C++; the default does it in this process's own domain, which is for
    sources that are trusted. A C++ candidate keeps its kernel in the literal SOURCE and its settings in PARAMS; a file
    that does otherwise, or that brings its own FLAGS, is built by itself, in the child. Raises CandidateError with
    COMPILE_ERROR or COMPILE_TIMEOUT, and ToolMissing where there is no C++ compiler, or no CUDA compiler for a
    candidate in CUDA C++.
    """
    if candidate.language == "cuda":
        _require_cuda_compiler()
    if candidate.language != "cpp":
        return
    try:
        source, params, flags = (literal(candidate.source, name) for name in ("SOURCE", "PARAMS", "FLAGS"))
    except (SyntaxError, ValueError):  # no Python, or no literals
        return
    if not isinstance(source, str) or not isinstance(params or {}, dict) or flags:
        return
    from .cpp import CompileError, find_compiler

    try:
        find_compiler()
    except CompileError as error:
        raise ToolMissing(str(error)) from None
    try:
        (make or _make_here)(source, params or {}, timeout_s)
    except CompileError as error:
        status = Status.COMPILE_TIMEOUT if error.timed_out else Status.COMPILE_ERROR
        raise CandidateError(status, str(error)) from None


def _make_here(source: str, settings: Mapping[str, object], timeout_s: float) -> None:
    from .cpp import DEFAULT_FLAGS, compile_source

    compile_source(source, DEFAULT_FLAGS, settings, timeout_s)


def _require_cuda_compiler() -> None:
    from .cuda import find_compiler

    try:
        find_compiler()
    except CandidateError as error:
        raise ToolMissing(error.detail) from None
