"""The tiers of checks on one candidate, from seconds in a search to everything before a claim.

    screen    the two smallest workloads, normal and mixed inputs
    measure   the first workload: normal (memory poisoned first), mixed at the same addresses, the normal content again
              at new addresses, cancellation
    certify   every workload and edge, every family, gradients, poison, how the results repeat, weak points

The session runs the candidate in another process; this side holds seeds, truths and limits. Screen and measure stop at
the first fault, certify collects all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from ..candidate import CandidateError, Status
from ..problem import Inputs, Problem, Workload
from .admission import weak_points
from .cases import Case, TruthCache
from .families import FAMILIES
from .judge import judge
from .verdict import Tier, Verdict, WorkloadVerdict

_DETERMINISM_RUNS = 3


class Callee(Protocol):
    """A candidate behind a wall, as child.session.Session."""

    sandbox: str

    def call(
        self,
        inputs: Inputs,
        *,
        grads: Sequence[str] = (),
        grad_outputs: Sequence[torch.Tensor] = (),
        poison: bool = False,
        slot: int = 0,
    ) -> Any: ...


@dataclass(frozen=True)
class _Step:
    """One call of the plan: a family at a workload, at the addresses of `slot`."""

    workload: Workload
    family: str
    slot: int = 0
    poison: bool = False
    grads: bool = False


def verify(
    session: Callee,
    problem: Problem,
    *,
    tier: Tier = "certify",
    workloads: Sequence[Workload] = (),
    seed: int,
    grads: bool = True,
    truths: TruthCache | None = None,
    truncating_bf16: bool = False,
    device: str | None = None,
) -> Verdict:
    """Judge the candidate behind `session`. `workloads` default to the problem's own; `seed` is the caller's secret and
    is logged in the verdict. `truncating_bf16`, `device`: see judge. A fault of the candidate becomes the verdict;
    INFRA_ERROR and INVALID_REFERENCE are raised as CandidateError, since they are not its fault."""
    truths = truths or TruthCache()
    chosen = tuple(workloads) or problem.workloads
    entries: list[WorkloadVerdict] = []
    for step in _plan(problem, tier, chosen, grads):
        case = truths.case(problem, step.workload, step.family, seed, step.grads)
        entry = _judged(session, case, step, truncating_bf16, device)
        entries.append(entry)
        if entry.status is not Status.PASSED and (tier != "certify" or not _alive(session)):
            break
    facts: dict[str, Any] = {}
    if tier == "certify" and all(e.status is Status.PASSED for e in entries):
        facts, extra = _repeats(session, problem, truths, chosen[0], seed)
        entries += extra
        facts["weak"] = truths.weak(problem, chosen[0], seed, weak_points)
    failed = next((e for e in entries if e.status is not Status.PASSED), None)
    return Verdict(
        status=failed.status if failed else Status.PASSED,
        tier=tier,
        sandbox=getattr(session, "sandbox", ""),
        seeds=(seed,),
        workloads=tuple(entries),
        facts=facts,
        detail=f"{failed.name}, {failed.family} inputs: {failed.detail}" if failed else "",
    )


def make_truths(
    problem: Problem, *, tier: Tier, workloads: Sequence[Workload], seed: int, truths: TruthCache, grads: bool = True
) -> None:
    """Make ahead of time the truths that `verify` with the same arguments will ask for."""
    chosen = tuple(workloads) or problem.workloads
    for step in _plan(problem, tier, chosen, grads):
        truths.case(problem, step.workload, step.family, seed, step.grads)
    if tier == "certify":
        truths.weak(problem, chosen[0], seed, weak_points)


def _plan(problem: Problem, tier: Tier, workloads: Sequence[Workload], grads: bool) -> Iterator[_Step]:
    if tier == "screen":
        for workload in sorted(workloads, key=lambda w: math.prod(w.axes.values()))[:2]:
            yield from (_Step(workload, family) for family in ("normal", "mixed"))
    elif tier == "measure":
        yield _Step(workloads[0], "normal", poison=True)
        yield _Step(workloads[0], "mixed")
        yield _Step(workloads[0], "normal", slot=1)
        yield _Step(workloads[0], "cancellation")
    elif tier == "certify":
        for workload in workloads:
            yield from (_Step(workload, family, poison=True) for family in FAMILIES)
            yield _Step(workload, "normal", slot=1)
            if grads and problem.grads:
                yield _Step(workload, "normal", grads=True)
        for edge in problem.edges() if problem.edges else ():
            yield _Step(edge, "normal", poison=True, grads=grads and bool(problem.grads))
    else:
        raise ValueError(f"there is no tier {tier!r}; there are screen, measure, certify")


def _judged(session: Callee, case: Case, step: _Step, truncating: bool, device: str | None) -> WorkloadVerdict:
    head: dict[str, Any] = {"name": case.workload, "family": case.family, "seed": case.seed}
    if case.inputs is None or case.truth is None:
        return WorkloadVerdict(status=Status.PASSED, skipped=case.skipped, detail=f"skipped: {case.skipped}", **head)
    try:
        outcome = session.call(
            case.inputs, grads=case.grads, grad_outputs=case.grad_outputs, poison=step.poison, slot=step.slot
        )
    except CandidateError as failure:
        if failure.status is Status.INFRA_ERROR:
            raise
        return WorkloadVerdict(status=failure.status, detail=failure.detail, **head)
    found = judge(case.truth, outcome, truncating_bf16=truncating, device=device)
    return WorkloadVerdict(
        status=found.status,
        error=_finite(found.error),
        allowed=_finite(found.allowed),
        detail=found.detail,
        margins={rule: _finite(ratio) for rule, ratio in found.margins.items()},
        **head,
    )


def _finite(value: float) -> float:
    """JSON has no infinity; an error without bound is written as the largest number."""
    return min(float(value), 1.7e308)


def _alive(session: Callee) -> bool:
    child = getattr(session, "child", None)
    return child is None or bool(child.alive)


def _repeats(
    session: Callee, problem: Problem, truths: TruthCache, workload: Workload, seed: int
) -> tuple[dict[str, Any], list[WorkloadVerdict]]:
    """Find the determinism class: the same call several times, bit by bit. A fault only where the problem says so."""
    case = truths.case(problem, workload, "normal", seed)
    if case.inputs is None:
        return {}, []
    first, *others = [session.call(case.inputs, slot=0).outputs for _ in range(_DETERMINISM_RUNS)]
    same = all(_same_bits(a, b) for other in others for a, b in zip(first, other, strict=True))
    facts = {"determinism": "bitwise" if same else "varies"}
    if same or "deterministic" not in problem.invariants:
        return facts, []
    detail = f"{_DETERMINISM_RUNS} runs on the same inputs differ, and the problem asks for equal bits"
    head: dict[str, Any] = {"name": workload.name, "family": "normal", "seed": case.seed}
    return facts, [WorkloadVerdict(status=Status.NONDETERMINISTIC, detail=detail, **head)]


def _same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return bool(torch.equal(a.contiguous().view(-1).view(torch.uint8), b.contiguous().view(-1).view(torch.uint8)))
