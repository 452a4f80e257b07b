"""The search: seeds, then settings, under one budget, in one loop that asks, evaluates in the background, and tells.

Nothing is evaluated twice, every step is on disk before it is taken, and whatever a candidate does costs only itself.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

from ..candidate import Candidate, Status
from ..problem import Problem, Workload
from ..record import Record
from ..run import Bounds, Runner, lost
from . import proposers, strategies
from .context import Context
from .finals import Finals
from .history import History, Journal, Proposed
from .result import Result, publish_best
from .seeds import FIRST, VARIANT, propose, rank
from .strategies import Strategy, WorkItem

INFRA_RETRIES = 2
NOT_ITS_FAULT = (Status.INFRA_ERROR, Status.UNSTABLE)  # ours, or a busy machine's: tried again
INTERRUPTIONS = 2  # a candidate that was under way at the violent end of a run is begun once more, and that is all
PROMISING = 3.0  # a seed is tuned if its time is at most this times the best
HOPELESS_SEED, HOPELESS_CHILD = 3.0, 1.5  # timing is given up above this times the best
PATIENCE, BEHIND = 8, 1.25  # a family whose best is this far behind after so many points is left alone
FIRST_COST_S = 3.0
STAGES: tuple[proposers.Stage, ...] = ("baseline", "seed")
COMPILE_SHARE = 0.45  # of the time left at the start, for all that torch.compile compiles
EXTRA_SHARE = 0.3  # what a further variant of a baseline may cost, as a part of the time for the search


@dataclass(frozen=True)
class Settings:
    """How to search, on `device` ("cpu", or "cuda:0" for a GPU by its number). `proposers` limits who is asked for
    seeds, and, if it names a baseline, for baselines too; None asks everyone. `max_evaluations` ends the search before
    the budget does. `gpus` are all the GPUs, by number, that evaluate beside each other; none for the device alone."""

    strategy: str = "tpe"
    seed: int = 0
    device: str = "cpu"
    proposers: tuple[str, ...] | None = None
    max_evaluations: int | None = None
    allow_weak_sandbox: bool = False
    gpus: tuple[int, ...] = ()


@dataclass
class Family:
    """A candidate with a space, and the strategy that walks it."""

    root: Candidate
    strategy: Strategy
    times_s: list[float] = field(default_factory=list)
    told: int = 0

    def tell(self, candidate: Candidate, record: Record) -> None:
        if record.status is Status.INFRA_ERROR:
            return
        settings = {p.name: candidate.params.get(p.name, p.default) for p in self.root.space.parameters}
        time_s = record.median_s if record.passed else None
        self.strategy.tell(WorkItem(settings), time_s)
        self.told += 1
        if time_s is not None:
            self.times_s.append(time_s)


@dataclass
class _Flight:
    """An evaluation under way; `full_time` is False once it was given less than the standard time."""

    item: Proposed
    full_time: bool = True


class Search:
    """One run of the search. `run()` may be called on a history that already holds part of it."""

    def __init__(
        self,
        problem: Problem,
        workload: Workload,
        journal: Journal,
        runner: Runner,
        settings: Settings,
        user: tuple[Candidate, ...] = (),
    ):
        self.problem = problem
        self.workload = workload
        self.journal = journal
        self.runner = runner
        self.settings = settings
        self.user = user
        self.budget = journal.budget
        self.finals = Finals(journal, runner)
        self._flying: dict[Future[Record], _Flight] = {}
        self._families: dict[str, Family] = {}
        self._late_items: deque[Proposed] = deque()
        self._turn = 0

    @property
    def history(self) -> History:
        return self.journal.history

    def run(self) -> Result:
        """Search until the budget, less what the finals need, is used up or nothing is left to try; then the finals."""
        try:
            self._portfolio()
            self._tune()
            self._drive(lambda k: self._affordable(self._late_items, k, last=True))
            return self.finals.run(self.problem, self.workload)
        except KeyboardInterrupt:
            under_way = [f.item.candidate.digest for f in self._flying.values()]
            self.journal.write("interrupted", None, in_flight=under_way)
            raise

    # Seeds

    def _portfolio(self) -> None:
        if not self.history.portfolio_complete:
            context = Context(
                problem=self.problem,
                workload=self.workload,
                device=self.settings.device.partition(":")[0],
                seed=self.settings.seed,
                budget_s=self.budget.left_s,
                user=self.user,
            )
            for stage in STAGES:  # torch.compile is at work on the first while the second are made
                with self.runner.working():
                    propose(self.journal, context, self.settings.proposers, stage)
                self._prepare(stage)
            self.journal.write("portfolio", "portfolio", candidates=list(self.history.proposed))
        else:
            self._prepare("baseline", "seed")
        queue = deque(sorted(self.history.open_items(), key=lambda item: rank(self.history, item)))
        self._drive(lambda k: self._affordable(queue, k))

    def _prepare(self, *stages: str) -> None:
        ahead = [item.candidate for item in self.history.open_items() if item.stage in stages]
        if ahead:
            self.runner.prepare(ahead, COMPILE_SHARE * self.budget.left_s)

    def _affordable(self, queue: deque[Proposed], k: int, last: bool = False) -> list[Proposed]:
        """Take what there is time for; a dear variant waits until settings are through, and `last` takes it then."""
        taken: list[Proposed] = []
        while queue and len(taken) < k:
            item = queue.popleft()
            must = rank(self.history, item) < VARIANT
            if not must and taken:  # what it costs is known once the first of its kind is back
                queue.appendleft(item)
                break
            room_s = self.budget.left_s - (self.budget.least_finals_s if must else self._keep_s())
            cost_s = 0.0 if must else self._cost_s(item.proposer)
            if not must and not last and cost_s > EXTRA_SHARE * room_s:
                self._late_items.append(item)
            elif room_s <= cost_s and self.history.best is not None:
                what = f"it takes about {cost_s:.0f} s of the {max(0.0, room_s):.0f} s left" if cost_s else "no time"
                reason = f"{item.candidate.name} was left out: {what}"
                self.journal.write("skipped", item.candidate.digest, name=item.candidate.name, reason=reason)
            else:
                taken.append(item)
        return taken

    # Settings

    def _tune(self) -> None:
        for item in list(self.history.proposed.values()):
            if item.stage == "seed" and self._promising(item):
                self._found_family(item.candidate)
        self._drive(self._children)
        if self._families and all(f.strategy.done() for f in self._families.values()):
            self.journal.write("note", "exhausted", reason="every allowed setting was tried")

    def _promising(self, item: Proposed) -> bool:
        """Whether the candidate, or one made from it, is near the best."""
        mine = self._relatives(item.candidate.digest)
        times_s = [r.median_s for _, r in mine if r.passed and not r.stopped and r.median_s]
        best_s = self.history.best_s or 0.0
        return item.candidate.space.size > 1 and bool(times_s) and min(times_s) <= PROMISING * best_s

    def _relatives(self, root: str) -> list[tuple[Candidate, Record]]:
        found = [(self.history.proposed[d], r) for d, r in self.history.records.items()]
        return [(p.candidate, r) for p, r in found if p.root == root]

    def _found_family(self, root: Candidate) -> None:
        try:
            root.with_params(root.space.defaults())
            strategy = strategies.make(self.settings.strategy, root.space, self.settings.seed + len(self._families))
            strategy.done()
        except (ValueError, TypeError, NameError, ArithmeticError, SyntaxError) as error:
            self.journal.write("note", f"space {root.digest}", reason=f"{root.name} cannot be tuned: {error}")
            return
        family = Family(root, strategy)
        for candidate, record in self._relatives(root.digest):
            family.tell(candidate, record)
        self._families[root.digest] = family

    def _children(self, k: int) -> list[Proposed]:
        items: list[Proposed] = []
        cost_s = self._cost_s("parameters")
        while len(items) < k and self._room_s() > cost_s * (len(items) + 1) and not self._enough(len(items)):
            family = self._next_family()
            if family is None:
                break
            (work,) = family.strategy.ask(1)
            context = Context(self.problem, self.workload, work=((family.root, work),))
            (child,) = proposers.get("parameters").propose(context)
            known = self.history.records.get(child.digest)
            if known is not None:
                family.tell(child, known)
                continue
            self.journal.propose(child, "child", "parameters", family.root.digest)
            items.append(self.history.proposed[child.digest])
        return items

    def _next_family(self) -> Family | None:
        """The families take turns; one that is far behind after a fair trial has none."""
        best_s = self.history.best_s or 0.0
        live = [
            f
            for f in self._families.values()
            if not f.strategy.done() and (f.told < PATIENCE or min(f.times_s, default=0.0) <= BEHIND * best_s)
        ]
        self._turn += 1
        return live[self._turn % len(live)] if live else None

    # One evaluation

    def _drive(self, more: Callable[[int], list[Proposed]]) -> None:
        """Keep the runner busy with what `more` gives, until it gives nothing and all has come back."""
        while True:
            if len(self._flying) <= self.runner.refill_at:
                for item in more(self.runner.slots - len(self._flying)):
                    self._begin(item)
            if not self._flying:
                return
            done, _ = wait(self._flying, return_when=FIRST_COMPLETED)
            for future in [f for f in self._flying if f in done]:
                self._settle(self._flying.pop(future), future)

    def _begin(self, item: Proposed) -> None:
        candidate = item.candidate
        if self.history.begun[candidate.digest] >= INTERRUPTIONS:
            record = lost(candidate, "the run ended twice while this candidate was under way; it is left alone")
            self.journal.evaluated(record)
            return
        self.journal.write("building", None, candidate=candidate.digest, name=candidate.name)
        flight = _Flight(item)
        self._flying[self.runner.submit(candidate, lambda: self._bounds(flight))] = flight

    def _settle(self, flight: _Flight, future: Future[Record]) -> None:
        """Take one result in: ours to retry, cut short by the budget, or an outcome to keep and tell."""
        candidate = flight.item.candidate
        try:
            record = future.result()
        except self.runner.fatal:
            raise
        except Exception as error:  # noqa: BLE001 (a fault of ours, whatever it is, is never the candidate's)
            record = lost(candidate, f"{type(error).__name__}: {error}")
        if record.status in NOT_ITS_FAULT and self.history.faults[candidate.digest] < INFRA_RETRIES:
            why = record.verdict.detail
            self.journal.write("infra", None, candidate=candidate.digest, name=candidate.name, reason=why)
            self._begin(flight.item)
        elif record.status is Status.TIMEOUT and not flight.full_time:
            reason = f"{candidate.name} was cut short: the time for the search was used up"
            self.journal.write("skipped", candidate.digest, name=candidate.name, reason=reason)
        else:
            self._keep(flight.item, record)

    def _keep(self, item: Proposed, record: Record) -> None:
        before = self.history.best
        self.journal.evaluated(record)
        if item.stage == "baseline":
            self.journal.write("baseline", record.candidate, name=record.name, median_s=record.median_s)
        if item.root in self._families:
            self._families[item.root].tell(item.candidate, record)
        best = self.history.best
        if best is not None and best is not before:
            self.journal.write("best", None, candidate=best.candidate, name=best.name, median_s=best.median_s)
            publish_best(self.journal.store.folder, self.history.proposed[best.candidate].candidate)

    # Limits

    def _bounds(self, flight: _Flight) -> Bounds:
        """What an evaluation may take, asked when its turn comes, from whatever thread it runs in."""
        item = flight.item
        place = rank(self.history, item)
        keep_s = self._keep_s() if place >= VARIANT else self.budget.least_finals_s if place > FIRST else 0.0
        timeout_s, flight.full_time = self.budget.timeout_s(keep_s, compiles=item.stage == "baseline")
        return Bounds(timeout_s, self._hopeless_s(item))

    def _hopeless_s(self, item: Proposed) -> float | None:
        """The time above which a candidate is given up; baselines and the user's own kernel are timed to the end."""
        best_s = self.history.best_s
        if best_s is None or item.stage == "baseline" or item.proposer == "user":
            return None
        return best_s * (HOPELESS_CHILD if item.stage == "child" else HOPELESS_SEED)

    def _enough(self, more: int) -> bool:
        most = self.settings.max_evaluations
        return most is not None and len(self.history.records) + len(self._flying) + more >= most

    def _room_s(self) -> float:
        return self.budget.left_s - self._keep_s()

    def _keep_s(self) -> float:
        return self.finals.needs_s()

    def _cost_s(self, proposer: str) -> float:
        """What an evaluation of this proposer's candidates took lately, in seconds; seeds were built ahead."""
        records = [r for d, r in self.history.records.items() if self.history.proposed[d].proposer == proposer]
        ahead = proposer != "parameters"
        costs_s = [r.cost.run_s if ahead else r.cost.total_s for r in records[-5:]]
        return statistics.median(costs_s) if costs_s else FIRST_COST_S
