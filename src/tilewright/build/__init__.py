"""Source -> something callable, one file per language: cpp, triton, gluon, cuda (torch needs no build).

Builds that need no GPU happen here, in the trusted process, ahead of the child: compiling runs a compiler over a text,
never the text itself.
"""

from __future__ import annotations

from ..candidate import Candidate, CandidateError, Status, literal


def prebuild(candidate: Candidate, timeout_s: float = 60.0) -> None:
    """Build what can be built without running the candidate, into the cache that children read.

    A C++ candidate keeps its kernel in the literal SOURCE and its settings in PARAMS; a file that does otherwise is
    built by itself, in the child. Raises CandidateError with COMPILE_ERROR or COMPILE_TIMEOUT.
    """
    if candidate.language != "cpp":
        return
    source = literal(candidate.source, "SOURCE")
    if not isinstance(source, str):
        return
    from .cpp import DEFAULT_FLAGS, CompileError, compile_source

    flags = literal(candidate.source, "FLAGS") or DEFAULT_FLAGS
    try:
        compile_source(source, tuple(flags), literal(candidate.source, "PARAMS") or {}, timeout_s)
    except CompileError as error:
        status = Status.COMPILE_TIMEOUT if error.timed_out else Status.COMPILE_ERROR
        raise CandidateError(status, str(error)) from None
