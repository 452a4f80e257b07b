"""What a proposer is told: the problem, the machine, the user's own kernels, and, for children, whom to change how."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..candidate import Candidate
from ..problem import Problem, Workload
from .strategies import WorkItem


class Declined(Exception):
    """A proposer has nothing to offer for this problem; the message is the reason, in one line."""


@dataclass(frozen=True)
class Context:
    """`budget_s` is the time left when the proposers are asked; `work` pairs a parent with the settings of its child,
    for proposers that change what exists."""

    problem: Problem
    workload: Workload
    device: str = "cpu"
    seed: int = 0
    budget_s: float = 60.0
    user: tuple[Candidate, ...] = ()
    work: tuple[tuple[Candidate, WorkItem], ...] = field(default=())
