"""What a run knows, made from its events alone: the same code serves the live run and the one that is resumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..candidate import Candidate, Status
from ..measure.nouns import Comparison
from ..record import Event, Record, Store, candidate_event, candidate_from_event
from ..run import Paired
from .budget import Budget
from .proposers import Stage

Progress = Callable[[Event], None]


@dataclass(frozen=True)
class Proposed:
    """A candidate and its place in the search: `root` is the digest of the candidate whose space it is a point of."""

    candidate: Candidate
    stage: Stage
    proposer: str
    root: str


class History:
    """Candidates, records and decisions, in the order in which they were written."""

    def __init__(self) -> None:
        self.proposed: dict[str, Proposed] = {}
        self.records: dict[str, Record] = {}
        self.certified: dict[str, Record] = {}
        self.paired: dict[str, Paired] = {}
        self.skipped: dict[str, str] = {}
        self.notes: list[str] = []
        self.begun: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.portfolio_complete = False
        self.spent_s = 0.0
        self.config: dict[str, Any] = {}
        self.result: dict[str, Any] | None = None

    def apply(self, event: Event, store: Store) -> None:
        """Take one event in."""
        body, key = event.body, event.key or ""
        self.spent_s = max(self.spent_s, body.get("spent_s", 0.0))
        match event.kind:
            case "run":
                self.config = body
            case "proposed":
                candidate = candidate_from_event(store, body["candidate"])
                self.proposed[key] = Proposed(candidate, body["stage"], body["proposer"], body["root"])
            case "building":
                self.begun[body["candidate"]] += 1
            case "infra":
                self.faults[body["candidate"]] += 1
                self.begun[body["candidate"]] -= 1
            case "interrupted":
                self.begun.subtract(body["in_flight"])
            case "evaluated":
                self.records[key] = Record.model_validate(body["record"])
            case "skipped":
                self.skipped[key] = body["reason"]
            case "declined" | "note":
                self.notes.append(body["reason"])
            case "portfolio":
                self.portfolio_complete = True
            case "paired":
                records = {k: Record.model_validate(r) for k, r in body["records"].items()}
                self.paired[key] = records, [Comparison.model_validate(c) for c in body["comparisons"]]
            case "certified":
                self.certified[key] = Record.model_validate(body["record"])
            case "finished":
                self.result = body["result"]

    def open_items(self) -> list[Proposed]:
        """What was proposed and has no outcome yet, in order."""
        return [p for d, p in self.proposed.items() if d not in self.records and d not in self.skipped]

    def timed(self, *stages: Stage) -> list[Record]:
        """Records that passed and were timed to the end, fastest first, of candidates of `stages` (or of all)."""
        found = [
            r
            for digest, r in list(self.records.items())  # listed at once: evaluations ask from their own thread
            if r.passed and r.measurement is not None and not r.stopped and _compiled(r)
            if not stages or self.proposed[digest].stage in stages
        ]
        return sorted(found, key=lambda r: r.measurement.median_s)  # type: ignore[union-attr]

    @property
    def best(self) -> Record | None:
        return next(iter(self.timed()), None)

    @property
    def best_s(self) -> float | None:
        return self.best.median_s if self.best else None

    @property
    def evaluations(self) -> int:
        return sum(r.status is not Status.INFRA_ERROR for r in self.records.values())


class Journal:
    """Writes an event, then lets the history and the listener know: nothing is acted on that is not on disk."""

    def __init__(self, store: Store, budget: Budget, history: History, progress: Progress | None = None):
        self.store = store
        self.budget = budget
        self.history = history
        self._progress = progress

    def write(self, kind: str, key: str | None = None, **body: Any) -> None:
        body["spent_s"] = round(self.budget.spent_s, 3)
        if key is not None and self.store.get(kind, key) is not None:
            return
        seq = self.store.append(kind, key, body)
        event = self.store.events(since=seq - 1)[0]
        self.history.apply(event, self.store)
        if self._progress is not None:
            self._progress(event)

    def propose(self, candidate: Candidate, stage: Stage, proposer: str, root: str | None = None) -> None:
        body = {"candidate": candidate_event(self.store, candidate), "stage": stage, "proposer": proposer}
        self.write("proposed", candidate.digest, **body, root=root or candidate.digest)

    def evaluated(self, record: Record) -> None:
        self.write("evaluated", record.candidate, record=record.model_dump(mode="json"))


def replay(store: Store) -> History:
    """Return what the run in `store` knows."""
    history = History()
    for event in store.events():
        history.apply(event, store)
    return history


def _compiled(record: Record) -> bool:
    """Whether a baseline that has to prove that it compiled did so; others have nothing to prove."""
    proof = record.facts.get("proof")
    if not isinstance(proof, dict):
        return True
    return bool(proof.get("unique_graphs", 1)) and not proof.get("graph_breaks", 0)
