"""Proposers say how a candidate is made; a proposer is a file found by listing this folder.

Such a file defines `STAGE`: "baseline" (what a user has without us; timed first, and never undercut by what is
returned), "seed" (where the search starts) or "child" (made from a parent), and `propose(context)`, which yields
candidates, or raises `Declined` with the reason why it has none for this problem. Of one stage, the lower `RANK` is
asked first.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from importlib import import_module
from typing import Literal, Protocol, cast

from ...candidate import Candidate
from ..context import Context

Stage = Literal["baseline", "seed", "child"]


class Proposer(Protocol):
    STAGE: Stage
    RANK: int

    def propose(self, context: Context) -> Iterable[Candidate]: ...


def names(stage: Stage | None = None) -> list[str]:
    """The proposers there are, of one stage or of all."""
    found = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
    found.sort(key=lambda n: (get(n).RANK, n))
    return [n for n in found if stage is None or stage == get(n).STAGE]


def get(name: str) -> Proposer:
    """Return the proposer called `name`; ValueError names those that exist."""
    if name not in {m.name for m in pkgutil.iter_modules(__path__)}:
        raise ValueError(f"no proposer {name!r}; there are {', '.join(names())}")
    return cast(Proposer, import_module(f".{name}", __name__))
