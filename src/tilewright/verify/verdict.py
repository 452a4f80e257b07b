"""The nouns that a check leaves behind: one entry per call that was judged, and the verdict over all of them."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from ..candidate import Status
from ..schema import Noun

Tier = Literal["screen", "measure", "certify"]


class RuleCheck(Noun):
    """One rule of the judge on one output: the worst `error` and `where` it is, what is `allowed` there, both in the
    output's own units (relative to the truth where the rule is about a signed error), and how that was derived."""

    rule: str
    output: str
    where: str
    error: float
    allowed: float
    derivation: str


class ErrorMap(Noun):
    """The error of one output over its rows and columns, in cells of `cell_rows` x `cell_columns` elements (the last
    ones may be smaller). `values` are what `quantity` says: errors over what is allowed (`scale` "limit", a fault above
    1 where the rule is about single places), or shares of elements that differ (`scale` "share")."""

    output: str
    quantity: str
    scale: Literal["limit", "share"]
    rows: int
    columns: int
    cell_rows: int
    cell_columns: int
    values: tuple[tuple[float, ...], ...]


class WorkloadVerdict(Noun):
    """What came of one workload and family. `error` and `allowed` belong to the rule that came closest to its limit,
    in units of the reference's own error; `margins` gives error over allowed for every rule. `seed` is what these
    inputs were drawn from: it follows from the seed of the verdict, which replays all of them. A family that the
    problem has no room for has `skipped`, the reason, and counts as PASSED.

    `checks` has the rules one by one, of the output that came closest to its limit, and `map` where a failing output
    is wrong; both are left out where a quick tier finds nothing wrong. `poisoned` says that memory was filled with NaN
    before the call, `grads` which gradients were judged."""

    name: str
    status: Status
    error: float = 0.0
    allowed: float = 0.0
    detail: str = ""
    family: str = "normal"
    seed: int = 0
    margins: dict[str, float] = {}
    skipped: str = ""
    output: str = ""
    rule: str = ""
    checks: tuple[RuleCheck, ...] = ()
    map: ErrorMap | None = None
    poisoned: bool = False
    grads: tuple[str, ...] = ()


class Verdict(Noun):
    """The verdict on one candidate: the first status that is not PASSED, or PASSED. `sandbox` is the level of the wall
    it ran behind; `facts` holds what is true of it and no fault (its determinism class, weak points of the problem)."""

    status: Status
    tier: Tier
    sandbox: str = ""
    seeds: tuple[int, ...] = ()
    workloads: tuple[WorkloadVerdict, ...] = ()
    facts: dict[str, JsonValue] = {}
    detail: str = ""

    @property
    def passed(self) -> bool:
        return self.status is Status.PASSED
