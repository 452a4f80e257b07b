"""The reference as it stands, run by PyTorch eagerly: the first baseline."""

from __future__ import annotations

from collections.abc import Iterable

from ... import plain
from ...candidate import Candidate
from ...problem import Problem
from ..context import Context, Declined

STAGE = "baseline"
RANK = 0


def propose(context: Context) -> Iterable[Candidate]:
    try:
        yield plain.plain_candidate(context.problem)
    except plain.NoSource as error:
        raise Declined(str(error)) from error


def reference_source(problem: Problem) -> tuple[str, str]:
    """As plain.reference_source, declined where there is no text."""
    try:
        return plain.reference_source(problem)
    except plain.NoSource as error:
        raise Declined(str(error)) from error
