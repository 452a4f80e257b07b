"""Rows of a benchmark: every implementation verified, then timed side by side; and two stored results compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from . import ops
from .candidate import Candidate, CandidateError, Status
from .device import Device
from .evaluate import Evaluator
from .formats import InputError
from .measure.nouns import LEVEL_RATIO, Comparison
from .optimize.context import Context
from .optimize.proposers import compiled, eager
from .problem import Problem, Workload
from .record import Record
from .report import render
from .report.from_bench import view_of
from .results import BenchResult, BenchRow, ComparedRow

BASELINES = ("eager", "compile", "compile-max")
BENCH_FILE = "bench.json"
BENCH_PAGE = "bench.html"
_BUSY = (Status.TIMING_INCONSISTENT, Status.UNSTABLE, Status.INFRA_ERROR)


def rows_of(
    problem: Problem,
    workload: Workload,
    candidates: Sequence[Candidate],
    baselines: Sequence[str],
    machine: Device,
    certified: bool = False,
) -> list[BenchRow]:
    """Verify every candidate and baseline on `workload`, time those that passed side by side, and make the rows.
    `certified`: the candidates, not the baselines, are judged on everything afterwards; one that fails has no time."""
    own = {name: baseline(problem, workload, name, machine) for name in baselines}
    everyone = [*candidates, *(b for b in own.values() if b.digest not in {c.digest for c in candidates})]
    with Evaluator(problem, workload, device=machine) as evaluator:
        evaluator.prepare()
        with ThreadPoolExecutor(max_workers=len(everyone)) as builds:  # lives as long as the children it starts
            list(builds.map(lambda c: _built(evaluator, c), everyone))
            rows = _rows(problem, workload, everyone, own, evaluator)
            judged = {c.name: evaluator.evaluate(c, "certify", timed=False) for c in candidates if certified}
    return [_with_certificate(row, judged.get(row.impl)) for row in rows]


def _with_certificate(row: BenchRow, record: Record | None) -> BenchRow:
    if record is None or row.median_s is None:
        return row
    if record.passed:
        return row.with_(certified=True)
    return BenchRow(
        op=row.op, impl=row.impl, workload=row.workload, device=row.device, status=str(record.status),
        detail=record.verdict.detail,
    )  # fmt: skip


def warm(problem: Problem, workload: Workload, baselines: Sequence[str], machine: Device) -> None:
    """Let torch.compile fill its caches for the baselines of a row to come; nothing is timed."""
    chosen = [baseline(problem, workload, name, machine) for name in baselines if name != "eager"]
    with Evaluator(problem, workload, device=machine) as evaluator, ThreadPoolExecutor(len(chosen)) as builds:
        list(builds.map(lambda c: _built(evaluator, c), chosen))


def _built(evaluator: Evaluator, candidate: Candidate) -> None:
    with suppress(CandidateError):  # which says so again when it is its turn
        evaluator.build(candidate)


def _rows(
    problem: Problem, workload: Workload, everyone: Sequence[Candidate], own: dict[str, Candidate], evaluator: Evaluator
) -> list[BenchRow]:
    records = {c.digest: evaluator.evaluate(c, timed=False) for c in everyone}
    timed, pairs = _timed(evaluator, [c for c in everyone if records[c.digest].passed])
    records |= timed
    names = {b.digest: name for name, b in own.items()}
    return [_row(problem, workload, c, records[c.digest], names, pairs) for c in everyone]


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
        "bound_s": getattr(record.bound, "achievable_s", None),
        "bound_quality": getattr(record.bound, "quality", ""),
        "baseline": candidate.digest in baselines,
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
        sustained_s=measured.sustained_s,
        clocks=measured.clocks and measured.clocks.model_dump(mode="json", exclude={"version"}),
    )


def baseline(problem: Problem, workload: Workload, name: str, machine: Device) -> Candidate:
    context = Context(problem=problem, workload=workload, device=machine.kind, budget_s=0.0)
    mode = {"compile": "torch.compile", "compile-max": "torch.compile max-autotune"}.get(name)
    found = eager.propose(context) if mode is None else compiled.compiled(context, [mode])
    return next(iter(found)).with_(name=name)


def source_digests(problems: Iterable[Problem], machine: Device) -> dict[str, str]:
    """Return the digests of the sources of those of `problems` that are operators of the library, by name."""
    names = [p.name for p in problems if p.name in ops.names() and p is ops.get(p.name)]
    return {name: ops.source_digest(name, machine.arch) for name in names}


def store(result: BenchResult, folder: Path) -> None:
    """Write `result` into `folder`, for `--compare` and for people."""
    (folder / BENCH_FILE).write_text(result.to_json(indent=1) + "\n")
    (folder / BENCH_PAGE).write_text(render(view_of(result)), encoding="utf-8")


def stored_rows(path: str | Path) -> dict[tuple[str, ...], BenchRow]:
    """Return the timed rows of a result that `bench` stored in the file or folder `path`, by what they are of."""
    file = Path(path) / BENCH_FILE if Path(path).is_dir() else Path(path)
    try:
        rows = BenchResult.from_json(file.read_text()).rows
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, json.JSONDecodeError):
        raise InputError(f"{file} is no result of: tilewright bench --out DIR") from None
    return {(r.op, r.impl, r.workload, r.device): r for r in rows if r.median_s}


def compared(a: BenchRow, b: BenchRow) -> ComparedRow:
    """Compare two rows by what their intervals leave open; runs at different times cannot be paired."""
    assert a.median_s and b.median_s and a.ci_low_s and a.ci_high_s and b.ci_low_s and b.ci_high_s
    low, high = b.ci_low_s / a.ci_high_s, b.ci_high_s / a.ci_low_s
    return ComparedRow(
        op=a.op,
        impl=a.impl,
        workload=a.workload,
        device=a.device,
        a_s=a.median_s,
        b_s=b.median_s,
        ratio=b.median_s / a.median_s,
        ci_low=low,
        ci_high=high,
        verdict=_verdict(low, high),
    )


def _verdict(low: float, high: float) -> Literal["faster", "level", "slower", "unclear"]:
    if high < 1:
        return "faster"
    if low > LEVEL_RATIO:
        return "slower"
    return "level" if high <= LEVEL_RATIO else "unclear"
