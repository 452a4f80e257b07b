"""Parts of a check: each candidate judged on its workloads, the facts of its kernels, and one result of it all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from . import targets
from .candidate import Candidate, Status
from .child.cross import cross_compile
from .device import Device
from .evaluate import Evaluator
from .problem import Problem
from .record import Record
from .results import PASSED, CheckResult, WorkloadResult
from .verify.evidence import evidence_of
from .verify.static_screen import Suspicion, screen
from .verify.verdict import Tier


def judge(
    problem: Problem, candidate: Candidate, machine: Device, tier: Tier, seed: int | None, weak: bool
) -> list[tuple[Candidate, Record]]:
    found = []
    for workload in targets.check_workloads(problem, candidate, tier, machine.kind):
        with Evaluator(problem, workload, device=machine, seed=seed, allow_weak_sandbox=weak) as evaluator:
            found.append((candidate, evaluator.evaluate(candidate, tier, timed=False)))
    return found


def facts_of(problem: Problem, candidate: Candidate, archs: Sequence[str]) -> list[Any]:
    if not archs or candidate.language not in ("triton", "gluon"):
        return []
    return list(cross_compile(candidate, problem, problem.workloads[0], tuple(archs)))


def suspicions_of(problem: Problem, candidates: Iterable[Candidate]) -> tuple[Suspicion, ...]:
    """What in the files of users deserves a look; the library's own are not looked at."""
    return tuple(s for c in candidates if c.origin == "user" for s in screen(c, problem.source))


def result_of(
    target: str,
    problem: Problem,
    machine: Device,
    tier: str,
    records: Iterable[tuple[Candidate, Record]],
    facts: Sequence[Any],
) -> CheckResult:
    records = list(records)
    rows = [row for candidate, record in records for row in _workload_results(candidate, record, len(records) > 1)]
    verdicts: list[Any] = [record.verdict for _, record in records]
    worst = max(verdicts, key=_distance)
    return CheckResult(
        status=str(worst.status),
        target=target,
        problem=problem.name,
        device=machine.kind,
        tier=tier,
        sandbox=next((v.sandbox for v in verdicts if v.sandbox), ""),
        workloads=tuple(rows),
        detail=getattr(worst, "detail", "") or next((r.detail for r in rows if r.status != PASSED), ""),
        weak=tuple(dict.fromkeys(point for v in verdicts for point in v.facts.get("weak", ()))),
        seed=next((v.seeds[0] for v in verdicts if v.seeds), None),
        facts=tuple(facts),
        evidence=evidence_of(worst),
        suspicions=suspicions_of(problem, {c.digest: c for c, _ in records}.values()),
    )


def _distance(verdict: Any) -> tuple[bool, float]:
    """Faults first, then by how near its limit the worst call came; of equals the first."""
    margins = (m for w in verdict.workloads for m in w.margins.values())
    wrong = verdict.status != Status.PASSED
    return wrong, 0.0 if wrong else max(margins, default=0.0)


def _workload_results(candidate: Candidate, record: Record, several: bool) -> list[WorkloadResult]:
    impl = candidate.name if several else ""
    verdict: Any = record.verdict
    if not verdict.workloads:  # it did not come as far as the judge
        return [WorkloadResult(name=record.workload, status=str(verdict.status), detail=verdict.detail, impl=impl)]
    return [
        WorkloadResult(
            name=w.name,
            status=str(w.status),
            error=w.error,
            allowed=w.allowed,
            detail=w.detail,
            family=w.family,
            impl=impl,
            margins=w.margins,
            rules=w.checks,
            map=w.map,
        )
        for w in verdict.workloads
    ]
