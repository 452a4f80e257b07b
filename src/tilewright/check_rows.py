"""Parts of a check: each candidate judged on its workloads, the facts of its kernels, and one result of it all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from . import targets
from .candidate import Candidate, Status
from .child.cross import cross_compile
from .device import Device
from .evaluate import Evaluator, WeakSandbox
from .optimize.context import Context, Declined
from .optimize.proposers import eager
from .problem import Problem
from .record import Record
from .results import PASSED, CheckResult, CheckTime, WorkloadResult
from .verify.evidence import evidence_of
from .verify.kernelguard import kernelguard
from .verify.static_screen import Suspicion, screen
from .verify.verdict import Tier

_TIMES = 2
_NOISY = (Status.UNSTABLE, Status.TIMING_INCONSISTENT)  # a busy machine makes an honest kernel look like this


def default_tier(candidate: Candidate, machine: Device) -> Tier:
    """Everything for a user's candidate; less for the library's own, and for what an interpreter runs: it is slow."""
    interpreted = machine.kind == "cpu" and candidate.language in ("triton", "gluon")
    return "certify" if candidate.origin == "user" and not interpreted else "measure"


def judge(
    problem: Problem, candidate: Candidate, machine: Device, tier: Tier | None, seed: int | None, weak: bool
) -> list[tuple[Candidate, Record]]:
    """Judge `candidate` in `tier`, on all the workloads that the tier asks for. Without one it is `default_tier` on the
    first workload, or the next lower one where the sandbox is too weak for it. What passes is also timed, as much of
    what a cheat does shows in its time only."""
    wanted = tier or default_tier(candidate, machine)
    workloads = targets.check_workloads(problem, candidate, wanted, machine.kind)
    found = []
    for workload in workloads if tier else workloads[:1]:
        with Evaluator(problem, workload, device=machine, seed=seed, allow_weak_sandbox=weak) as evaluator:
            try:
                record = _judged(evaluator, candidate, wanted)
            except WeakSandbox:
                if tier:
                    raise
                record = _judged(evaluator, candidate, "measure")
            found.append((candidate, record))
    return found


def _judged(evaluator: Evaluator, candidate: Candidate, tier: Tier) -> Record:
    for _ in range(_TIMES):
        record = evaluator.evaluate(candidate, tier)
        if record.status not in _NOISY:
            return record
    if record.status is Status.TIMING_INCONSISTENT and _can_time(evaluator, tier):
        return record
    # It computes what it should; how long that takes, this machine is too busy to say.
    verdict = record.verdict.with_(status=Status.PASSED, detail="this machine is too busy to time it")
    return record.with_(verdict=verdict, measurement=None)


def _can_time(evaluator: Evaluator, tier: Tier) -> bool:
    """Whether this machine is quiet enough to time what is beyond doubt: the reference itself."""
    try:
        (reference,) = eager.propose(Context(evaluator.problem, evaluator.workload, evaluator.device.kind))
    except Declined:
        return True
    return any(evaluator.evaluate(reference, tier).passed for _ in range(_TIMES))


def facts_of(problem: Problem, candidate: Candidate, archs: Sequence[str]) -> list[Any]:
    if not archs or candidate.language not in ("triton", "gluon"):
        return []
    return list(cross_compile(candidate, problem, problem.workloads[0], tuple(archs)))


def suspicions_of(problem: Problem, candidates: Iterable[Candidate]) -> tuple[Suspicion, ...]:
    """What in the files of users deserves a look; the library's own are not looked at."""
    own = [c for c in candidates if c.origin == "user"]
    return tuple(s for c in own for s in (*screen(c, problem.source), *kernelguard(c.source)))


def result_of(
    target: str,
    problem: Problem,
    machine: Device,
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
        tier=worst.tier,
        sandbox=next((v.sandbox for v in verdicts if v.sandbox), ""),
        workloads=tuple(rows),
        detail=getattr(worst, "detail", "") or next((r.detail for r in rows if r.status != PASSED), ""),
        weak=tuple(dict.fromkeys(point for v in verdicts for point in v.facts.get("weak", ()))),
        seed=next((v.seeds[0] for v in verdicts if v.seeds), None),
        facts=tuple(facts),
        evidence=evidence_of(worst),
        suspicions=suspicions_of(problem, {c.digest: c for c, _ in records}.values()),
        times=tuple(_time(record) for _, record in records if record.measurement is not None),
    )


def _time(record: Record) -> CheckTime:
    measured = record.measurement
    assert measured is not None
    return CheckTime(
        name=record.name,
        workload=record.workload,
        median_s=measured.median_s,
        ci_low_s=measured.ci_low_s,
        ci_high_s=measured.ci_high_s,
        state=measured.state,
        fraction_of_bound=record.fraction_of_bound,
        build_s=record.cost.build_s,
        load_s=_seconds(record.facts.get("load_s")) or 0.0,
        first_s=_seconds(record.facts.get("first_s")),
    )


def _seconds(fact: object) -> float | None:
    return fact if isinstance(fact, float) else None


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
