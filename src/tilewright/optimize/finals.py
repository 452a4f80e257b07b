"""The finals: the best few and the best baseline, timed against each other in fresh processes, and the winner proved.

What is returned is certified, and its paired time against the best baseline is not above it; else the baseline is.
"""

from __future__ import annotations

from ..candidate import CandidateError, Status
from ..measure.nouns import Comparison
from ..problem import Problem, Workload
from ..record import Record
from ..run import Paired, Runner, unpaired
from ..schema import content_digest
from .budget import FINALISTS, FRESH_PROCESS_S
from .history import History, Journal
from .result import Baseline, Best, Outcome, Result, publish, source_digests

NEAR = 1.25  # a contender further than this behind the first is no finalist
FIRST_BASELINE_COST_S, FIRST_COST_S = 5.0, 2.0


class Finals:
    """Decides what a run returns, from its history."""

    def __init__(self, journal: Journal, runner: Runner):
        self.journal = journal
        self.runner = runner
        self.budget = journal.budget

    @property
    def history(self) -> History:
        return self.journal.history

    def run(self, problem: Problem, workload: Workload) -> Result:
        baseline = next(iter(self.history.timed("baseline")), None)
        finalists = self._finalists()
        times: dict[str, Record] = {}
        pairs: list[Comparison] = []
        if baseline is not None and finalists:
            times, pairs = self._pair([baseline, *finalists])
        winner, pair = self._winner(baseline, finalists, pairs)
        result = self._result(problem, workload, baseline, winner, pair, times)
        self.journal.write("finished", "finished", result=result.model_dump(mode="json"))
        publish(self.journal.store.folder, result)
        return result

    def needs_s(self) -> float:
        """The seconds to keep for the finals, as far as is known now."""
        return self.budget.shared(self._paired_s() + self._certify_s())

    def _paired_s(self) -> float:
        baselines, contenders = self.history.timed("baseline"), self.history.timed("seed", "child")
        # Builds are not made again: what was compiled lies in a cache.
        baseline_cost_s = baselines[0].cost.run_s if baselines else FIRST_BASELINE_COST_S
        contender_cost_s = contenders[0].cost.run_s if contenders else FIRST_COST_S
        return self.budget.paired_s(baseline_cost_s, contender_cost_s)

    def _certify_s(self) -> float:
        first = self.history.records.get(next(iter(self.history.proposed), ""))
        return self.budget.certify_s(first.cost.check_s if first and first.passed else FIRST_COST_S)

    def _finalists(self) -> list[Record]:
        """The fastest contenders, as many as there is time for."""
        contenders = self.history.timed("seed", "child")[:FINALISTS]
        near = [r for r in contenders if (r.median_s or 0.0) <= NEAR * (contenders[0].median_s or 0.0)]
        each_s = FRESH_PROCESS_S + (near[0].cost.total_s if near else 0.0)
        room = int((self.budget.left_s - self.needs_s()) / each_s) + 1
        chosen = near[: max(1, room)]
        for record in chosen:
            self.journal.write("finalist", record.candidate, name=record.name, median_s=record.median_s)
        return chosen

    def _pair(self, records: list[Record]) -> Paired:
        """Time all of `records` against each other; if that cannot be done, fall back on what was timed apart."""
        key = content_digest(*sorted(r.candidate for r in records))
        if key not in self.history.paired:
            timed, comparisons = self._paired_now(records)
            self.journal.write(
                "paired",
                key,
                candidates=[r.candidate for r in records],
                records={k: r.model_dump(mode="json") for k, r in timed.items()},
                comparisons=[c.model_dump(mode="json") for c in comparisons],
            )
        return self.history.paired[key]

    def _paired_now(self, records: list[Record]) -> Paired:
        """The first of `records` is the baseline: where it fell out on a busy machine, nothing was learned."""
        candidates = [self.history.proposed[r.candidate].candidate for r in records]
        paired: Paired | None = None
        for attempt in range(2):
            if self.budget.left_s < self._certify_s() + self.budget.pairing_s():
                break  # without its certificate the fastest is worth nothing
            try:
                paired = self.runner.compare(candidates, self.budget.pairing_s())
                baseline = paired[0].get(records[0].candidate)
                if baseline is None or baseline.passed or any(c.baseline == baseline.candidate for c in paired[1]):
                    return paired
                reason = f"{baseline.name} fell out of the paired timing: {baseline.status} {baseline.verdict.detail}"
                self.journal.write("note", f"pairing {attempt}", reason=reason.rstrip())
            except (CandidateError, OSError, RuntimeError, ValueError) as error:
                self.journal.write("note", f"pairing {attempt}", reason=f"paired timing failed: {error}")
        if paired is not None:
            return paired
        self.journal.write("note", "unpaired", reason="finalists were compared by timings made apart")
        return unpaired(records)

    def _winner(
        self, baseline: Record | None, finalists: list[Record], pairs: list[Comparison]
    ) -> tuple[Record | None, Comparison | None]:
        """The fastest finalist that is not slower than the baseline and is certified, with its paired comparison."""
        if baseline is None:
            self.journal.write("note", "no baseline", reason="no baseline passed: nothing to compare with")
            return None, None
        ratios = {c.name: c for c in pairs if c.baseline == baseline.candidate}
        ranked = sorted((r for r in finalists if r.candidate in ratios), key=lambda r: ratios[r.candidate].ratio)
        for record in ranked:
            pair = ratios[record.candidate]
            if pair.ratio <= 1.0 and pair.level_or_ahead:
                certified = self._certify(record)
                if certified is not None and certified.passed:
                    return certified, pair
        enough = self.budget.left_s > self._certify_s()
        return (self._certify(baseline) if enough else None) or baseline, None

    def _certify(self, record: Record) -> Record | None:
        if record.candidate not in self.history.certified:
            if self.budget.left_s <= 0.0:
                reason = f"no time was left to certify {record.name}: give a larger budget"
                self.journal.write("note", f"uncertified {record.candidate}", reason=reason)
                return None
            self.journal.write("certifying", record.candidate, name=record.name)
            certified = self._certified_now(record)
            if certified.status is Status.TIMEOUT and self.budget.left_s <= 0.0:
                reason = f"the time ran out while {record.name} was being certified: give a larger budget"
                self.journal.write("note", f"uncertified {record.candidate}", reason=reason)
                return None
            self.journal.write("certified", record.candidate, record=certified.model_dump(mode="json"))
        certified = self.history.certified[record.candidate]
        if not certified.passed:
            reason = f"{record.name} was not certified: {certified.status} {certified.verdict.detail}".rstrip()
            self.journal.write("note", f"uncertified {record.candidate}", reason=reason)
        return certified

    def _certified_now(self, record: Record) -> Record:
        candidate = self.history.proposed[record.candidate].candidate
        return self.runner.certify(candidate, max(1.0, self.budget.left_s))

    def _result(
        self,
        problem: Problem,
        workload: Workload,
        baseline: Record | None,
        winner: Record | None,
        pair: Comparison | None,
        times: dict[str, Record],
    ) -> Result:
        baselines = tuple(
            Baseline(name=r.name, candidate=r.candidate, median_s=r.median_s or 0.0)
            for r in self.history.timed("baseline")
        )
        status: Outcome = "nothing_better" if pair is None else ("improved" if pair.faster else "level")
        best = None if winner is None else self._best(winner, baseline, pair, times.get(winner.candidate), baselines)
        notes = [*self.history.notes, *self.history.skipped.values()]
        if pair is None:
            notes.append("nothing better was found and verified")
        arch = str(self.history.config.get("environment", {}).get("device_arch", ""))
        return Result(
            status=status,
            run=str(self.journal.store.folder),
            problem=problem.name,
            workload=workload.name,
            evaluations=self.history.evaluations,
            spent_s=round(self.budget.spent_s, 3),
            budget_s=self.budget.total_s,
            best=best,
            baselines=baselines,
            notes=tuple(dict.fromkeys(notes)),
            source_digests=source_digests((p.candidate for p in self.history.proposed.values()), arch),
        )

    def _best(
        self,
        winner: Record,
        baseline: Record | None,
        pair: Comparison | None,
        paired: Record | None,
        baselines: tuple[Baseline, ...],
    ) -> Best:
        """Speed-ups rest on the paired ratio to the best baseline, and on that one's own lead over the others."""
        searched = self.history.records[winner.candidate]
        times = (paired and paired.measurement) or winner.measurement or searched.measurement
        assert times is not None
        ratio, reference_s = (pair.ratio if pair else 1.0), (baseline.median_s if baseline else None)
        speedup = {b.name: b.median_s / reference_s / ratio for b in baselines if reference_s}
        bound = searched.bound or winner.bound
        candidate = self.history.proposed[winner.candidate].candidate
        return Best(
            candidate=winner.name,
            identity=winner.candidate,
            origin=candidate.origin,
            params=candidate.params,
            source=candidate.source,
            median_s=times.median_s,
            ci_low_s=times.ci_low_s,
            ci_high_s=times.ci_high_s,
            fraction_of_bound=bound.fraction(times.median_s) if bound else None,
            speedup=speedup,
            paired=pair,
            certified=winner.candidate in self.history.certified and self.history.certified[winner.candidate].passed,
        )
