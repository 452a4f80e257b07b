"""Which calls each tier makes, in order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..problem import Problem, Workload
from .families import EVERY, MIXED
from .verdict import Tier

_IN_MIXED = set(MIXED) - {"normal", "cancellation"}
AGAIN = 2  # other addresses for the normal content, where the clock needs it too


@dataclass(frozen=True)
class Step:
    """One call of the plan: a family at a workload, at the addresses of `slot`."""

    workload: Workload
    family: str
    slot: int = 0
    poison: bool = False
    grads: bool = False


def plan(
    problem: Problem, tier: Tier, workloads: Sequence[Workload], grads: bool, brief: bool = False
) -> Iterator[Step]:
    """The calls of `tier`; ValueError names the tiers there are. `brief`: without the kinds of inputs that a mixed
    batch holds row by row."""
    grads = grads and "random" not in problem.invariants
    if tier == "screen":
        for workload in sorted(workloads, key=lambda w: math.prod(w.axes.values()))[:2]:
            yield from (Step(workload, family) for family in ("normal", "mixed"))
    elif tier == "measure":
        yield Step(workloads[0], "normal", poison=True)
        yield Step(workloads[0], "mixed")
        yield Step(workloads[0], "normal", slot=AGAIN)
        yield Step(workloads[0], "cancellation")
    elif tier == "certify":
        for workload in workloads:
            families = [f for f in EVERY if not (brief and f in _IN_MIXED)]
            yield from (Step(workload, family, poison=True) for family in families)
            yield Step(workload, "normal", slot=AGAIN)
            if grads and problem.grads:
                yield Step(workload, "normal", grads=True)
        for edge in problem.edges() if problem.edges else ():
            yield Step(edge, "normal", poison=True, grads=grads and bool(problem.grads))
    else:
        raise ValueError(f"there is no tier {tier!r}; there are screen, measure, certify")
