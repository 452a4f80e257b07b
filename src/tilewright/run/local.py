"""Evaluations on this machine: builds in a pool of as many threads as cores, measurements one at a time.

On a processor that builds and measures, nothing may run beside a measurement. The gate sees to that: a build, and the
work of the caller, hold it together with others; a measurement holds it alone. Where a GPU measures, the processor is
free to build. What torch.compile tunes on the GPU meanwhile is short, and the finals, when all is built, decide.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from ..build import ToolMissing
from ..candidate import Candidate, CandidateError, Status
from ..child.sandbox import is_weak
from ..evaluate import CannotDo, Evaluator
from ..record import Record
from . import AskBounds, Paired, failed

_AHEAD = 6  # candidates compiled ahead of a GPU: more would be proposed without knowing what came of the last ones


class Gate:
    """Shared by work, held alone by a measurement; work that is under way is waited for, and new work waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._working = 0
        self._measuring = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._measuring)
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._measuring and not self._working)
            self._measuring = True
        try:
            yield
        finally:
            with self._changed:
                self._measuring = False
                self._changed.notify_all()


class Desk:
    """Evaluators that are free; who wants one waits for it."""

    def __init__(self, evaluators: Sequence[Evaluator]) -> None:
        self._changed = threading.Condition()
        self._free = list(evaluators)

    @contextmanager
    def taken(self, wanted: Evaluator | None = None) -> Iterator[Evaluator]:
        """Take `wanted`, or any."""
        with self._changed:
            self._changed.wait_for(lambda: wanted in self._free if wanted else bool(self._free))
            one = wanted or self._free[0]
            self._free.remove(one)
        try:
            yield one
        finally:
            with self._changed:
                self._free.append(one)
                self._changed.notify_all()


class LocalRunner:
    """Runs an `Evaluator`, which owns one persistent child for its device; on the further `gpus`, a twin of it each."""

    def __init__(self, evaluator: Evaluator, cores: int | None = None, gpus: Sequence[int] = ()):
        cores = cores or len(os.sched_getaffinity(0))
        self._apart = evaluator.gpu is not None
        self._first = evaluator
        self._everyone = [evaluator, *(evaluator.twin(gpu) for gpu in gpus)]
        self._desk = Desk(self._everyone)
        workers = len(self._everyone)
        self.slots = min(cores, _AHEAD + workers - 1) if self._apart else cores
        self.refill_at = self.slots - 1 if self._apart else 0
        self.fatal: tuple[type[Exception], ...] = (CannotDo,)
        self._gate = Gate()
        self._truths_begun = False
        self._built: dict[str, Future[float]] = {}
        self._builds = ThreadPoolExecutor(cores, thread_name_prefix="build")
        self._measures = ThreadPoolExecutor(workers, thread_name_prefix="measure")

    def prepare(self, candidates: Sequence[Candidate], patience_s: float) -> None:
        with self._gate.shared():
            for evaluator in self._everyone:
                evaluator.prepare()
        for candidate in sorted(candidates, key=lambda c: c.origin != "compiled"):  # the longest builds first
            self._built[candidate.digest] = self._builds.submit(self._build, candidate, patience_s)
        if not self._truths_begun:
            self._truths_begun = True
            self._measures.submit(self._make_truths)

    def submit(self, candidate: Candidate, bounds: AskBounds) -> Future[Record]:
        built = self._built.pop(candidate.digest, None) or self._builds.submit(self._build, candidate)
        return self._measures.submit(self._measure, candidate, built, bounds)

    def working(self) -> AbstractContextManager[None]:
        return nullcontext() if self._apart else self._gate.shared()

    def compare(self, candidates: Sequence[Candidate], budget_s: float) -> Paired:
        with self._alone(self._first):
            return self._first.compare(list(candidates), budget_s)

    def certify(self, candidate: Candidate, timeout_s: float) -> Record:
        with self._alone(self._first):
            # On a GPU the certificate holds a second timing, by CUPTI, of the kernels that ran.
            return self._first.evaluate(candidate, "certify", timeout_s=timeout_s, timed=self._apart)

    def close(self) -> None:
        """Stop what is under way, the children included, and forget what was waiting."""
        self._builds.shutdown(wait=False, cancel_futures=True)
        self._measures.shutdown(wait=False, cancel_futures=True)
        for evaluator in reversed(self._everyone):
            evaluator.close()

    @contextmanager
    def _alone(self, wanted: Evaluator | None) -> Iterator[Evaluator]:
        """An evaluator, with the processor to itself where it is what measures."""
        with nullcontext() if self._apart else self._gate.alone(), self._desk.taken(wanted) as one:
            yield one

    def _build(self, candidate: Candidate, patience_s: float | None = None) -> float:
        with self.working():
            try:
                return self._first.build(candidate, patience_s)
            except ToolMissing as missing:  # costs the candidates that need it, not the search
                raise CandidateError(Status.COMPILE_ERROR, str(missing)) from None

    def _make_truths(self) -> None:
        """Those of the certificate too: while torch.compile is at work there is nothing better to do. A reference that
        fails says so again when a candidate is judged by it."""
        with self.working(), suppress(CandidateError):
            self._first.make_truths("measure")
            self._first.make_truths("certify")

    def _measure(self, candidate: Candidate, built: Future[float], bounds: AskBounds) -> Record:
        try:
            build_s = built.result()
        except CandidateError as error:
            return failed(candidate, error)
        with self._alone(self._first if self._first.waits_for(candidate) else None) as evaluator:
            asked = bounds()
            record = evaluator.evaluate(candidate, stop_above_s=asked.stop_above_s, timeout_s=asked.timeout_s)
        if record.facts and is_weak(str(record.facts["sandbox"])) and not evaluator.allow_weak_sandbox:
            raise CannotDo(
                "a search ends with a certificate, which needs a sandbox that hides this process from the candidate; "
                "this kernel grants no landlock; --allow-weak-sandbox goes on, and marks the record as untrusted"
            )
        return record.with_(cost=record.cost.with_(build_s=record.cost.build_s + build_s))
