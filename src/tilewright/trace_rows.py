"""The result of a check as what a trace of other projects says: statuses, errors, and times beside the reference's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .candidate import Candidate
from .device import Device
from .evaluate import Evaluator
from .formats._trace_written import Traced
from .optimize.context import Context, Declined
from .optimize.proposers import eager
from .problem import Problem, Workload
from .record import Record
from .results import PASSED


def traced(problem: Problem, machine: Device, records: Iterable[tuple[Candidate, Record]]) -> Iterator[Traced]:
    """What became of each candidate on each workload; of those that were timed, the reference is timed as well."""
    for candidate, record in records:
        measured = record.measurement if record.status == PASSED else None
        yield Traced(
            candidate=candidate,
            workload=record.workload,
            status=str(record.status),
            detail=record.verdict.detail,
            largest_error=_largest_error(record),
            time_s=measured.median_s if measured else None,
            reference_s=_reference_s(problem, problem.workload(record.workload), machine) if measured else None,
        )


def _largest_error(record: Record) -> float | None:
    """The largest error of a call on inputs as the problem draws them, of what was looked at."""
    checks = [c for w in record.verdict.workloads if w.family == "normal" for c in w.checks]
    return max((c.error for c in checks if c.rule == "largest error"), default=None)


def _reference_s(problem: Problem, workload: Workload, machine: Device) -> float | None:
    try:
        (reference,) = eager.propose(Context(problem, workload, machine.kind))
    except Declined:
        return None
    with Evaluator(problem, workload, device=machine) as evaluator:
        measured = evaluator.evaluate(reference, "measure").measurement
    return measured.median_s if measured else None
