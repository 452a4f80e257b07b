"""The nouns that a check leaves behind: one entry per call that was judged, and the verdict over all of them."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from ..candidate import Status
from ..schema import Noun

Tier = Literal["screen", "measure", "certify"]


class WorkloadVerdict(Noun):
    """What came of one workload and family. `error` and `allowed` belong to the rule that came closest to its limit,
    in units of the reference's own error; `margins` gives error over allowed for every rule. `seed` replays it. A
    family that the problem has no room for has `skipped`, the reason, and counts as PASSED."""

    name: str
    status: Status
    error: float = 0.0
    allowed: float = 0.0
    detail: str = ""
    family: str = "normal"
    seed: int = 0
    margins: dict[str, float] = {}
    skipped: str = ""


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
