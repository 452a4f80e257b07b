"""A runner that answers from records: the same search again, or another strategy over what was once measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext

from ..candidate import Candidate
from ..record import Record
from . import AskBounds, Paired, lost, unpaired


class ReplayRunner:
    """Knows what the given records know. A candidate that none of them is about is lost, which is held against
    nobody; pairs are compared by their separate measurements."""

    def __init__(self, records: Iterable[Record], slots: int = 2):
        self.slots = slots
        self.refill_at = 0
        self.fatal: tuple[type[Exception], ...] = ()
        self.records = {r.candidate: r for r in records}

    def prepare(self, candidates: Sequence[Candidate], patience_s: float) -> None:
        """Nothing needs to be built."""

    def submit(self, candidate: Candidate, bounds: AskBounds) -> Future[Record]:
        bounds()
        answer: Future[Record] = Future()
        answer.set_result(self._answer(candidate))
        return answer

    def working(self) -> AbstractContextManager[None]:
        return nullcontext()

    def compare(self, candidates: Sequence[Candidate], budget_s: float) -> Paired:
        return unpaired(self._answer(c) for c in candidates)

    def certify(self, candidate: Candidate, timeout_s: float) -> Record:
        return self._answer(candidate).with_(tier="certify")

    def close(self) -> None:
        """Nothing is held."""

    def _answer(self, candidate: Candidate) -> Record:
        return self.records.get(candidate.digest) or lost(candidate, "no record knows this candidate")
