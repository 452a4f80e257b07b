"""Evaluations on this machine: builds in a pool of as many threads as cores, measurements one at a time.

On a processor that builds and measures, nothing may run beside a measurement. The gate sees to that: a build, and the
work of the caller, hold it together with others; a measurement holds it alone. Where a GPU measures, only what uses the
GPU itself must keep away: torch.compile tunes there, while kernels are compiled ahead on the processor.
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
from ..evaluate import CannotDo, Evaluator, compiles_itself
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


class LocalRunner:
    """Runs an `Evaluator`, which owns one persistent child for its device."""

    def __init__(self, evaluator: Evaluator, cores: int | None = None):
        cores = cores or len(os.sched_getaffinity(0))
        self._apart = evaluator.gpu is not None
        self.slots = min(cores, _AHEAD) if self._apart else cores
        self.refill_at = self.slots - 1 if self._apart else 0
        self.fatal: tuple[type[Exception], ...] = (CannotDo,)
        self._evaluator = evaluator
        self._gate = Gate()
        self._truths_begun = False
        self._built: dict[str, Future[float]] = {}
        self._builds = ThreadPoolExecutor(cores, thread_name_prefix="build")
        self._measures = ThreadPoolExecutor(1, thread_name_prefix="measure")

    def prepare(self, candidates: Sequence[Candidate], patience_s: float) -> None:
        with self._gate.shared():
            self._evaluator.prepare()
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
        with self._gate.alone():
            return self._evaluator.compare(list(candidates), budget_s)

    def certify(self, candidate: Candidate, timeout_s: float) -> Record:
        with self._gate.alone():
            # On a GPU the certificate holds a second timing, by CUPTI, of the kernels that ran.
            timed = self._evaluator.gpu is not None
            return self._evaluator.evaluate(candidate, "certify", timeout_s=timeout_s, timed=timed)

    def close(self) -> None:
        """Stop what is under way, the child included, and forget what was waiting."""
        self._builds.shutdown(wait=False, cancel_futures=True)
        self._measures.shutdown(wait=False, cancel_futures=True)
        self._evaluator.close()

    def _build(self, candidate: Candidate, patience_s: float | None = None) -> float:
        beside = self._apart and not compiles_itself(candidate)
        with nullcontext() if beside else self._gate.shared():
            try:
                return self._evaluator.build(candidate, patience_s)
            except ToolMissing as missing:  # costs the candidates that need it, not the search
                raise CandidateError(Status.COMPILE_ERROR, str(missing)) from None

    def _make_truths(self) -> None:
        """Those of the certificate too: while torch.compile is at work there is nothing better to do. A reference that
        fails says so again when a candidate is judged by it."""
        with self._gate.shared(), suppress(CandidateError):
            self._evaluator.make_truths("measure")
            self._evaluator.make_truths("certify")

    def _measure(self, candidate: Candidate, built: Future[float], bounds: AskBounds) -> Record:
        try:
            build_s = built.result()
        except CandidateError as error:
            return failed(candidate, error)
        with self._gate.alone():
            asked = bounds()
            record = self._evaluator.evaluate(candidate, stop_above_s=asked.stop_above_s, timeout_s=asked.timeout_s)
        if record.facts and is_weak(str(record.facts["sandbox"])) and not self._evaluator.allow_weak_sandbox:
            raise CannotDo(
                "a search ends with a certificate, which needs a sandbox that hides this process from the candidate; "
                "this kernel grants no landlock; --allow-weak-sandbox goes on, and marks the record as untrusted"
            )
        return record.with_(cost=record.cost.with_(build_s=record.cost.build_s + build_s))
