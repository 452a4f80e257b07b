"""Rows of a benchmark: every implementation verified, then timed side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from . import baselines as peers
from . import ops, units
from .bound import Bound
from .candidate import Candidate, CandidateError, Status
from .device import Device
from .evaluate import Evaluator
from .measure.nouns import Comparison
from .optimize.context import Context
from .optimize.proposers import compiled
from .problem import Problem, Workload
from .record import Record
from .results import SKIPPED, BenchRow

_ALSO = {"sustained_s", "warm_s", "warm_ci_s", "eager_s", "eager_ci_s", "energy_j"}
_BUSY = (Status.TIMING_INCONSISTENT, Status.UNSTABLE, Status.INFRA_ERROR)


def rows_of(
    problem: Problem,
    workload: Workload,
    candidates: Sequence[Candidate],
    baselines: Sequence[str],
    machine: Device,
    certified: bool = False,
    say: Callable[[str], None] | None = None,
) -> list[BenchRow]:
    """Verify every candidate and baseline on `workload`, time those that passed side by side, and make the rows; a
    baseline that there is none of here has a row that says why, and `say` is told.
    `certified`: the candidates, not the baselines, are judged on everything afterwards; one that fails has no time."""
    own, skipped = _baselines(problem, workload, baselines, machine)
    for row in skipped:
        if say is not None:
            say(f"skipped on {workload.name}: {row.detail}")
    everyone = [*candidates, *(b for b in own.values() if b.digest not in {c.digest for c in candidates})]
    if not everyone:
        return skipped
    with Evaluator(problem, workload, device=machine) as evaluator:
        begun_s = time.perf_counter()
        evaluator.prepare()
        evaluator.children.start_ahead(everyone)
        with ThreadPoolExecutor(max_workers=len(everyone)) as builds:  # lives as long as the children it starts
            list(builds.map(lambda c: _built(evaluator, c), everyone))
            built_s = time.perf_counter()
            records = {c.digest: evaluator.evaluate(c, timed=False) for c in everyone}
            verified_s = time.perf_counter()
            rows = _rows(problem, workload, everyone, own, records, evaluator)
            took = f"built in {units.seconds(built_s - begun_s)}, verified in {units.seconds(verified_s - built_s)}"
            if say is not None:
                say(f"{workload.name}: {took}, timed in {units.seconds(time.perf_counter() - verified_s)}")
            judged = {c.name: evaluator.evaluate(c, "certify", timed=False) for c in candidates if certified}
    return [*(_with_certificate(row, judged.get(row.impl)) for row in rows), *skipped]


def _baselines(
    problem: Problem, workload: Workload, names: Sequence[str], machine: Device
) -> tuple[dict[str, Candidate], list[BenchRow]]:
    """The baselines called `names` that there are here, by name, and a row for each that there is not."""
    own: dict[str, Candidate] = {}
    skipped = []
    for name in names:
        try:
            own[name] = baseline(problem, workload, name, machine)
        except peers.Skipped as reason:
            row = BenchRow(op=problem.name, impl=name, workload=workload.name, device=machine.kind, baseline=True)
            skipped.append(row.with_(calls=workload.weight, status=SKIPPED, detail=str(reason)))
    return own, skipped


def _with_certificate(row: BenchRow, record: Record | None) -> BenchRow:
    if record is None or row.median_s is None:
        return row
    if record.passed:
        return row.with_(certified=True)
    return BenchRow(
        op=row.op, impl=row.impl, workload=row.workload, device=row.device, calls=row.calls, dtype=row.dtype,
        status=str(record.status), detail=record.verdict.detail,
    )  # fmt: skip


def warm(problem: Problem, workload: Workload, baselines: Sequence[str], machine: Device) -> None:
    """Let torch.compile fill its caches for the baselines of a row to come; nothing is timed."""
    own, _ = _baselines(problem, workload, [name for name in baselines if name != "eager"], machine)
    chosen = list(own.values())
    if not chosen:
        return
    with Evaluator(problem, workload, device=machine) as evaluator, ThreadPoolExecutor(len(chosen)) as builds:
        list(builds.map(lambda c: _built(evaluator, c), chosen))


def _built(evaluator: Evaluator, candidate: Candidate) -> None:
    with suppress(CandidateError):  # which says so again when it is its turn
        evaluator.build(candidate)


def _rows(
    problem: Problem,
    workload: Workload,
    everyone: Sequence[Candidate],
    own: dict[str, Candidate],
    records: dict[str, Record],
    evaluator: Evaluator,
) -> list[BenchRow]:
    """Time those of `everyone` that passed in `records`, and make the rows."""
    timed, pairs = _timed(evaluator, [c for c in everyone if records[c.digest].passed])
    records = records | {digest: _compiled(record) for digest, record in timed.items()}
    names = {b.digest: name for name, b in own.items()}
    rows = (_row(problem, workload, c, records[c.digest], names, pairs) for c in everyone)
    return [_with_warm_bound(row, evaluator.calls.warm_bound) for row in rows]


def _with_warm_bound(row: BenchRow, bound: Bound | None) -> BenchRow:
    if row.warm_s is None or bound is None:
        return row
    return row.with_(warm_bound_s=bound.achievable_s, warm_limiter=bound.limiter)


def _compiled(record: Record) -> Record:
    """`record`, refused where torch.compile ran eagerly after all: that would be another baseline under its name."""
    detail = compiled.fell_back(record.facts.get("proof")) if record.origin == "compiled" and record.passed else ""
    if not detail:
        return record
    return record.with_(verdict=record.verdict.with_(status=Status.COMPILE_ERROR, detail=detail))


def _timed(evaluator: Evaluator, candidates: Sequence[Candidate]) -> tuple[dict[str, Record], list[Comparison]]:
    """Time `candidates` side by side. A measurement that disagrees with itself on a busy machine is made once more."""
    timed: dict[str, Record] = {}
    pairs: list[Comparison] = []
    for _ in range(2):
        if candidates:
            timed, pairs = evaluator.compare(candidates, thorough=True)
        if not any(record.status in _BUSY for record in timed.values()):
            break
    return timed, pairs


def _row(
    problem: Problem,
    workload: Workload,
    candidate: Candidate,
    record: Record,
    baselines: dict[str, str],
    pairs: Sequence[Comparison],
) -> BenchRow:
    measured: Any = record.measurement
    verdict: Any = record.verdict
    common: dict[str, Any] = {
        "op": problem.name,
        "impl": candidate.name,
        "workload": workload.name,
        "device": record.device,
        "baseline": candidate.digest in baselines,
        "calls": workload.weight,
        "dtype": workload.dtype,
        **_bound_of(record),
    }
    if measured is None or not record.passed:
        detail = verdict.detail or next((w.detail for w in verdict.workloads if w.detail), "")
        return BenchRow(**common, status=str(record.status), detail=detail)
    own = {baselines[candidate.digest]: 1.0} if candidate.digest in baselines else {}
    versus = {baselines[p.baseline]: p for p in pairs if p.name == candidate.digest and p.baseline in baselines}
    return BenchRow(
        **common,
        median_s=measured.median_s,
        ci_low_s=measured.ci_low_s,
        ci_high_s=measured.ci_high_s,
        fraction_of_bound=record.fraction_of_bound,
        method=measured.method,
        state=measured.state,
        verified=True,
        speedup={**own, **{name: pair.speedup for name, pair in versus.items()}},
        paired={name: (pair.ratio, pair.ci_low, pair.ci_high) for name, pair in versus.items()},
        host_s=measured.host_s,
        kernel_s=measured.kernel_s,
        kernels=measured.kernels,
        **measured.model_dump(include=_ALSO),
        clocks=measured.clocks and measured.clocks.model_dump(mode="json", exclude={"version"}),
        samples_s=measured.samples_s,
    )


def _bound_of(record: Record) -> dict[str, Any]:
    """What a row says of the least work and time."""
    if record.bound is None:
        return {}
    about = record.bound.model_dump(include={"limiter", "bytes_moved", "flops", "ceilings"})
    return about | {
        "bound_s": record.bound.achievable_s,
        "bound_quality": record.bound.quality,
        "bound_derivation": record.bound.derivation,
    }


def baseline(problem: Problem, workload: Workload, name: str, machine: Device) -> Candidate:
    """Return the baseline `name`. Raises baselines.Skipped where there is none here."""
    return peers.candidate(name, Context(problem=problem, workload=workload, device=machine.kind, budget_s=0.0))


def source_digests(problems: Iterable[Problem], machine: Device) -> dict[str, str]:
    """Return the digests of the sources of those of `problems` that are operators of the library, by name."""
    names = [p.name for p in problems if p.name in ops.names() and p is ops.get(p.name)]
    return {name: ops.source_digest(name, machine.arch) for name in names}
