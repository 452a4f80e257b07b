"""Where evaluations run: a runner takes candidates and gives back records, in its own time.

local.py     on this machine: builds in a pool, then one measurement at a time with the processor to itself
replay.py    nowhere: answers come from records, so that a search can be run again without a machine
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ..candidate import Candidate, CandidateError, Status
from ..measure.nouns import Comparison, Measurement
from ..record import Record
from ..verify.verdict import Verdict


@dataclass(frozen=True)
class Bounds:
    """Of one evaluation: timing is given up above `stop_above_s`, and all of it after `timeout_s`."""

    timeout_s: float
    stop_above_s: float | None = None


AskBounds = Callable[[], Bounds]
Paired = tuple[dict[str, Record], list[Comparison]]


class Runner(Protocol):
    """`slots` candidates may be in flight; more are wanted once no more than `refill_at` are. Where building and
    timing share a processor that is 0, and where they do not it is slots - 1. `fatal` are exceptions that end the run:
    what was asked cannot be done here."""

    slots: int
    refill_at: int
    fatal: tuple[type[Exception], ...]

    def prepare(self, candidates: Sequence[Candidate], patience_s: float) -> None:
        """Begin whatever can be done ahead for `candidates`, before anything is timed: builds, those of torch.compile
        for at most `patience_s` seconds, and truths."""
        ...

    def submit(self, candidate: Candidate, bounds: AskBounds) -> Future[Record]:
        """Begin to evaluate: build, check, time. `bounds()` is asked, once, when its turn has come. Faults of the
        candidate are in the record; an exception of the future is a fault of ours."""
        ...

    def working(self) -> AbstractContextManager[None]:
        """Within it nothing is timed, because the caller uses the processor."""
        ...

    def compare(self, candidates: Sequence[Candidate], budget_s: float) -> Paired:
        """Time all of them interleaved, in fresh processes: a record of each by digest, and a comparison for each
        ordered pair of those that did not fail, named by digests."""
        ...

    def certify(self, candidate: Candidate, timeout_s: float) -> Record:
        """Judge on everything, in a fresh process. Its time is that of `compare`."""
        ...

    def close(self) -> None:
        """Stop what is under way."""
        ...


def failed(candidate: Candidate, error: CandidateError) -> Record:
    """Return the record of a candidate that did not come as far as the judge."""
    return Record(
        candidate=candidate.digest,
        name=candidate.name,
        origin=candidate.origin,
        language=candidate.language,
        params=candidate.params,
        verdict=Verdict(status=error.status, tier="measure", detail=error.detail),
    )


def lost(candidate: Candidate, detail: str) -> Record:
    """Return the record of a candidate about which nothing was learned, through no fault of its own."""
    return failed(candidate, CandidateError(Status.INFRA_ERROR, detail))


def unpaired(records: Iterable[Record]) -> Paired:
    """Compare records that were timed apart: the intervals are the widest that theirs allow, so they decide little."""
    times = {r.candidate: (r, r.measurement) for r in records if r.passed and r.measurement is not None}
    pairs = [_ratio(a, b, times[a][1], times[b][1]) for a in times for b in times if a != b]
    return {digest: record for digest, (record, _) in times.items()}, pairs


def _ratio(name: str, baseline: str, one: Measurement, other: Measurement) -> Comparison:
    return Comparison(
        name=name,
        baseline=baseline,
        ratio=one.median_s / other.median_s,
        ci_low=one.ci_low_s / other.ci_high_s,
        ci_high=one.ci_high_s / other.ci_low_s,
        rounds=1,
    )
