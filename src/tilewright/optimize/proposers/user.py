"""The kernels that the user brought: they are judged, tuned over their space, and competed with, like any other."""

from __future__ import annotations

from collections.abc import Iterable

from ...candidate import Candidate
from ..context import Context

STAGE = "seed"
RANK = 0


def propose(context: Context) -> Iterable[Candidate]:
    return context.user
