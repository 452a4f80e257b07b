"""What a module prepares from its weights: work of its first call that later calls, which are timed, do without."""

from __future__ import annotations

from collections.abc import Callable

from ..candidate import CandidateError, Status
from ..child.session import Session
from ..problem import Inputs

_LATER, _TRIES = 3, 3


def first_call_s(session: Session, fresh: Callable[[], Inputs], tries: int = _TRIES) -> float | None:
    """Return the least seconds of a first call on weights that the module has never seen, over `tries` of `fresh()`,
    each with a module made anew; None where there are no weights, or on a GPU, where a first call is never timed.

    Weights are static: packing, folding or transposing them once is no fault. It is another figure than the time of a
    call, and stands beside it."""
    if session.candidate.kind != "module" or session.child.gpu is not None:
        return None
    found: list[float] = []
    for _ in range(tries):
        inputs = fresh()
        if not inputs.state:
            return None
        try:
            found.append(session.time([inputs], [0] * (1 + _LATER), warm=0).calls_s[0])
        except CandidateError as failure:
            if failure.status is not Status.TIMING_INCONSISTENT:
                raise
    return min(found, default=None)
