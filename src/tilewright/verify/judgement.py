"""What the judge says of one call, with the rules that it looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..candidate import Status
from . import derivation
from .verdict import RuleCheck


@dataclass(frozen=True)
class Check:
    """One rule on one output: `error` beside `allowed`, both in the output's units, the `unit` to show them in, and
    what tells how the limit came about, in the units that it is given."""

    rule: str
    error: float
    allowed: float
    unit: float
    where: str
    how: Callable[[float], str]

    @property
    def ratio(self) -> float:
        return self.error / self.allowed if self.allowed > 0 else (float("inf") if self.error > 0 else 0.0)

    def shown(self, output: str) -> RuleCheck:
        """The check as it is kept: signed errors relative to the truth, all others in the units of the output."""
        unit = self.unit if "signed" in self.rule else 1.0
        error, allowed = (min(v / unit, derivation.LARGEST) for v in (self.error, self.allowed))
        return RuleCheck(
            rule=self.rule, output=output, where=self.where, error=error, allowed=allowed, derivation=self.how(unit)
        )


@dataclass(frozen=True)
class Judgement:
    """`error` and `allowed` belong to the rule that came closest to its limit (`rule`), in units of the reference's own
    error, or relative to the truth where the rule is about a signed error; for anything that is not a matter of size
    they are 1 and 0. `margins` gives error/allowed per rule, the worst over outputs; all are at most 1 when the status
    is PASSED. `rules` says how each limit of that output came about."""

    status: Status
    error: float = 0.0
    allowed: float = 0.0
    detail: str = ""
    output: str = ""
    rule: str = ""
    margins: dict[str, float] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()

    @property
    def passed(self) -> bool:
        return self.status is Status.PASSED

    def rules(self) -> tuple[RuleCheck, ...]:
        return tuple(c.shown(self.output) for c in self.checks)


def fail(status: Status, output: str, detail: str) -> Judgement:
    return Judgement(status, 1.0, 0.0, detail, output, status.name.lower())
