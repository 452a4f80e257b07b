"""C++ or, for a GPU, Triton generated for chains of elementwise steps and row reductions, traced from the reference."""

from __future__ import annotations

from collections.abc import Iterable

from ...candidate import Candidate
from ...syntax import one_at_a_time
from ..context import Context, Declined

STAGE = "seed"
RANK = 1


def propose(context: Context) -> Iterable[Candidate]:
    from ..rowwise import NotRowwise, generate  # tracing needs torch.fx, which other proposers do not

    try:
        with one_at_a_time:  # the generator reads its own texts again
            found = generate(context.problem, context.workload, "cpu" if context.device == "cpu" else "cuda")
    except NotRowwise as reason:
        raise Declined(str(reason)) from reason
    if found is not None:
        yield found
