"""The tiers of checks on one candidate, from seconds in a search to everything before a claim.

    screen    the two smallest workloads, normal and mixed inputs
    measure   the first workload: normal (memory poisoned first), mixed at the same addresses, the normal content again
              at new addresses, cancellation
    certify   every workload and edge, every family, special values, gradients, poison, whether results repeat in
              calls whose number nobody knows, the calls that declared invariants need, weak points

Outputs that are draws have no truth: their distribution is compared instead, on normal inputs (distribution.py).

The session runs the candidate in another process; this side holds seeds, truths and limits. Screen and measure stop at
the first fault, certify collects all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import torch

from ..candidate import CandidateError, Status
from ..problem import Inputs, Problem, Workload
from .admission import weak_points
from .cases import Case, TruthCache
from .distribution import DRAWS, judge_draws
from .error_map import map_of
from .evidence import DETERMINISM_RUNS
from .gradients import offered
from .invariants import extra_calls, not_fallen, refuse_unknown, sums_to_one
from .judge import judge
from .judgement import Judgement
from .plan import Step, plan
from .repeats import repeat, same_bits
from .verdict import RuleCheck, Tier, Verdict, WorkloadVerdict

if TYPE_CHECKING:
    from ..child.outcome import Outcome


class Callee(Protocol):
    """A candidate behind a wall, as child.session.Session."""

    sandbox: str

    def call(
        self,
        inputs: Inputs,
        *,
        grads: Sequence[str] = (),
        grad_outputs: Sequence[torch.Tensor] = (),
        poison: bool = False,
        slot: int = 0,
    ) -> Any: ...


def verify(
    session: Callee,
    problem: Problem,
    *,
    tier: Tier = "certify",
    workloads: Sequence[Workload] = (),
    seed: int,
    grads: bool = True,
    truths: TruthCache | None = None,
    truncating_bf16: bool = False,
    device: str | None = None,
    brief: bool = False,
) -> Verdict:
    """Judge the candidate behind `session`. `workloads` default to the problem's own; `seed` is the caller's secret and
    is logged in the verdict. `truncating_bf16`, `device`: see judge, `brief`: see plan. A fault of the candidate is
    the verdict; INFRA_ERROR and INVALID_REFERENCE are raised as CandidateError, since they are not its fault."""
    refuse_unknown(problem)
    truths = truths or TruthCache()
    chosen = tuple(workloads) or problem.workloads
    run = _Run(session, problem, tier, truncating_bf16, device)
    entries: list[WorkloadVerdict] = []
    for step in plan(problem, tier, chosen, grads, brief):
        case = truths.case(problem, step.workload, step.family, seed, step.grads)
        entry = run.judged(case, step)
        entries.append(entry)
        if entry.status is not Status.PASSED and (tier != "certify" or not _alive(session)):
            break
    if "random" in problem.invariants and entries[-1].status is Status.PASSED:
        entries.append(run.distribution(truths.case(problem, chosen[0], "normal", seed)))
    facts: dict[str, Any] = {}
    if tier == "certify" and all(e.status is Status.PASSED for e in entries):
        facts, extra = run.more(truths, chosen, seed, grads)
        entries += extra
        facts["weak"] = truths.weak(problem, chosen[0], seed, weak_points)
    failed = next((e for e in entries if e.status is not Status.PASSED), None)
    return Verdict(
        status=failed.status if failed else Status.PASSED,
        tier=tier,
        sandbox=getattr(session, "sandbox", ""),
        seeds=(seed,),
        workloads=tuple(entries),
        facts=facts,
        detail=f"{failed.name}, {failed.family} inputs: {failed.detail}" if failed else "",
    )


def make_truths(
    problem: Problem,
    *,
    tier: Tier,
    workloads: Sequence[Workload],
    seed: int,
    truths: TruthCache,
    grads: bool = True,
    brief: bool = False,
) -> None:
    """Make ahead of time the truths that `verify` with the same arguments will ask for."""
    chosen = tuple(workloads) or problem.workloads
    for step in plan(problem, tier, chosen, grads, brief):
        truths.case(problem, step.workload, step.family, seed, step.grads)
    if tier == "certify":
        truths.weak(problem, chosen[0], seed, weak_points)


@dataclass(frozen=True)
class _Run:
    """What is the same for every call of one verification."""

    session: Callee
    problem: Problem
    tier: Tier
    truncating: bool
    device: str | None
    right: list[tuple[Case, Outcome, Judgement]] = field(default_factory=list)  # of normal cases

    def judged(self, case: Case, step: Step) -> WorkloadVerdict:
        """Make the call of `step` on `case` and judge it."""
        if case.inputs is None or case.truth is None:
            why = f"skipped: {case.skipped}"
            return WorkloadVerdict(status=Status.PASSED, skipped=case.skipped, detail=why, **_head(case))
        outcome = self._call(case, step)
        if isinstance(outcome, WorkloadVerdict):
            return outcome
        return self._entry(case, self._judgement(case, outcome), outcome, step.poison)

    def _judgement(self, case: Case, outcome: Outcome) -> Judgement:
        """What has the same bits as a result of the same inputs that was right, is right, if it did nothing else."""
        assert case.truth is not None
        for seen, before, said in self.right:
            if seen is case and _is_the_same(outcome, before):
                return said
        found = judge(case.truth, outcome, truncating_bf16=self.truncating, device=self.device)
        if found.passed and not case.truth.outputs[0].random:
            sums = sums_to_one(self.problem, case.truth, outcome.outputs, self.truncating)
            found = found if sums.passed else sums
        if found.passed and case.family == "normal" and not outcome.grads:
            self.right.append((case, outcome, found))
        return found

    def extra(self, case: Case, place: torch.device | None) -> Iterator[WorkloadVerdict]:
        """Make the calls that the problem's invariants need beside the normal one, which has passed."""
        for one in extra_calls(self.problem, case, place):
            assert one.case.truth is not None
            step = Step(Workload(name=case.workload), one.case.family)
            outcome = self._call(one.case, step)
            if isinstance(outcome, WorkloadVerdict):
                yield outcome
                continue
            found = judge(one.case.truth, outcome, truncating_bf16=self.truncating, device=self.device)
            if found.passed and one.slack is not None:
                before = self._call(case, step)
                if isinstance(before, WorkloadVerdict):
                    yield before
                    continue
                fallen = not_fallen(case, one.slack, before.outputs[0], outcome.outputs[0])
                found = found if fallen.passed else fallen
            yield self._entry(one.case, found, outcome, False)

    def more(
        self, truths: TruthCache, workloads: Sequence[Workload], seed: int, grads: bool
    ) -> tuple[dict[str, Any], list[WorkloadVerdict]]:
        """What is left to see of a candidate that has passed every family: calls that repeat others, gradients that
        nobody asked for, and declared invariants."""
        facts, entries = self._repeats(truths, workloads[0], seed)
        if grads and not self.problem.grads and self.problem.kind == "module" and "determinism" in facts:
            found = offered(self.session, self.problem, truths, workloads[0], seed, self.device)
            facts["gradients"] = found.words
            if found.case is not None and found.found is not None:
                plain = _entry(_head(found.case), found.found, False, ())
                entries.append(
                    plain if found.outcome is None else self._entry(found.case, found.found, found.outcome, False)
                )
        for workload in workloads:
            entries += self.extra(truths.case(self.problem, workload, "normal", seed), truths.device)
        return facts, entries

    def _repeats(
        self, truths: TruthCache, workload: Workload, seed: int
    ) -> tuple[dict[str, Any], list[WorkloadVerdict]]:
        """Find the determinism class, and whether later calls are as right as the first."""
        if "random" in self.problem.invariants:
            return {"determinism": "random"}, []
        cases = [truths.case(self.problem, workload, family, seed) for family in ("normal", "mixed", "scaled")]
        cases = [case for case in cases if case.inputs is not None and case.truth is not None]
        if not cases or cases[0].family != "normal":
            return {}, []
        found = repeat(self.session, cases, seed, self.truncating, self.device)
        facts: dict[str, Any] = {"determinism": found.determinism}
        if found.wrong is not None:
            case, judged = found.wrong
            told = replace(judged, detail=f"when called again, {judged.detail}")
            return facts, [_entry(_head(case), told, False, (), told.rules())]
        holds = getattr(self.session, "first_still_holds", None)
        if holds is not None and not holds():
            detail = "the result of the first call was changed by a later one: a result must last as long as it is held"
            return facts, [WorkloadVerdict(status=Status.ALIASED_OUTPUT, detail=detail, **_head(cases[0]))]
        if found.determinism == "bitwise" or "deterministic" not in self.problem.invariants:
            return facts, []
        detail = f"{DETERMINISM_RUNS} runs on the same inputs differ, and the problem asks for equal bits"
        return facts, [WorkloadVerdict(status=Status.NONDETERMINISTIC, detail=detail, **_head(cases[0]))]

    def distribution(self, case: Case) -> WorkloadVerdict:
        """Compare the distribution of the candidate's draws with the reference's."""
        assert case.inputs is not None
        head = {**_head(case), "family": "distribution"}
        step = Step(Workload(name=case.workload), "normal")

        def call() -> Sequence[torch.Tensor]:
            outcome = self.session.call(case.inputs, slot=0)  # type: ignore[arg-type]
            found = judge(case.truth, outcome, device=self.device)  # type: ignore[arg-type]
            if not found.passed:
                raise CandidateError(found.status, found.detail)
            return tuple(outcome.outputs)

        try:
            found = judge_draws(self.problem, case.inputs, call, DRAWS[self.tier], case.seed)
        except CandidateError as failure:
            return _faulted(failure, head, step)
        return _entry(head, found, step.poison, ())

    def _call(self, case: Case, step: Step) -> Any:
        """Return what the call did, or the entry of what went wrong."""
        assert case.inputs is not None
        try:
            return self.session.call(
                case.inputs, grads=case.grads, grad_outputs=case.grad_outputs, poison=step.poison, slot=step.slot
            )
        except CandidateError as failure:
            return _faulted(failure, _head(case), step)

    def _entry(self, case: Case, found: Judgement, outcome: Any, poisoned: bool) -> WorkloadVerdict:
        """The entry of a call that was judged: with its rules where it failed or is a certificate's, and with a map of
        the output that failed."""
        rules = found.rules() if self.tier == "certify" or not found.passed else ()
        entry = _entry(_head(case), found, poisoned, case.grads, rules)
        if found.passed or case.truth is None:
            return entry
        pairs = [*zip(case.truth.outputs, outcome.outputs, strict=False)]
        pairs += [(right, outcome.grads[name]) for name, right in case.truth.grads.items() if name in outcome.grads]
        named = [(right, value) for right, value in pairs if right.name == found.output]
        if not named or found.status not in (Status.INCORRECT_NUMERICAL, Status.NONFINITE):
            return entry
        # An output and a gradient may share a name: it is the one that has something wrong in it.
        maps = [map_of(right, value, found, self.truncating) for right, value in named]
        return entry.with_(map=maps[-1])


def _head(case: Case) -> dict[str, Any]:
    return {"name": case.workload, "family": case.family, "seed": case.seed}


def _faulted(failure: CandidateError, head: dict[str, Any], step: Step) -> WorkloadVerdict:
    if failure.status in (Status.INFRA_ERROR, Status.INVALID_REFERENCE):
        raise failure
    return WorkloadVerdict(status=failure.status, detail=failure.detail, poisoned=step.poison, **head)


def _entry(
    head: dict[str, Any], found: Judgement, poisoned: bool, grads: Sequence[str], rules: Sequence[RuleCheck] = ()
) -> WorkloadVerdict:
    return WorkloadVerdict(
        status=found.status,
        error=_finite(found.error),
        allowed=_finite(found.allowed),
        detail=found.detail,
        margins={rule: _finite(ratio) for rule, ratio in found.margins.items()},
        output=found.output,
        rule=found.rule,
        checks=tuple(rules),
        poisoned=poisoned,
        grads=tuple(grads),
        **head,
    )


def _finite(value: float) -> float:
    """JSON has no infinity; an error without bound is written as the largest number."""
    return min(float(value), 1.7e308)


def _alive(session: Callee) -> bool:
    child = getattr(session, "child", None)
    return child is None or bool(child.alive)


def _is_the_same(a: Outcome, b: Outcome) -> bool:
    """Whether two calls on the same inputs gave the same bits, in the same form, and changed nothing."""
    quiet = a.stable and not (a.mutated or a.out_of_bounds or a.grads)
    return quiet and a.metas == b.metas and all(map(same_bits, a.outputs, b.outputs))
