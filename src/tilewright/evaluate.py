"""The only composer: candidate -> Verdict -> Measurement -> Record.

An Evaluator holds what is the same for every candidate of one problem and workload: the secret seed, the inputs, the
truths, one persistent child, and the device. It is the trusted side: candidates run in children only.
"""

from __future__ import annotations

import contextlib
import secrets
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import torch

from .bound import Bound
from .candidate import Candidate, CandidateError, Status
from .child.compiler import prebuild
from .child.process import Child, Limits
from .child.sandbox import is_weak
from .child.session import Session
from .children import Ahead, Children, compiles_itself
from .device import Device, detect, environment
from .device.machine import available_memory_bytes
from .failure import CannotDo, WeakSandbox
from .measure import Comparison, Measurement, compare
from .plain import NoSource, plain_candidate
from .problem import Inputs, Problem, Workload
from .record import EvaluationCost, Record
from .schema import canonical_json, content_digest
from .timed_calls import TimedCalls
from .verify import TruthCache, Verdict, make_truths, verify
from .verify.gpu_sanitizer import sanitized_on_gpu
from .verify.sanitizer import sanitized
from .verify.static_screen import screen
from .verify.verdict import Tier

__all__ = ["CannotDo", "Evaluator", "WeakSandbox", "evaluate"]

_INFRA_TRIES = 2
# What it leaves behind in a child, a full folder or a broken context, must not be the fault of the next one.
_FATAL = (Status.RUNTIME_ERROR, Status.RESOURCE, Status.TIMEOUT)


class Evaluator:
    """Judges and times candidates of one problem on one workload. Not thread-safe, except for `build`.

    `seed` is drawn from the operating system when not given; it is logged for replay and never reaches a child.
    """

    def __init__(
        self,
        problem: Problem,
        workload: Workload | None = None,
        *,
        device: str | Device = "auto",
        seed: int | None = None,
        sandbox: str = "auto",
        allow_weak_sandbox: bool = False,
        limits: Limits | None = None,
        threads: int | None = None,
        twin_of: Evaluator | None = None,
    ):
        self.problem = problem
        self.workload = workload or problem.workloads[0]
        self.device = device if isinstance(device, Device) else detect(device)
        self.gpu = self.device.index if self.device.kind == "cuda" else None
        self.seed = secrets.randbits(62) if seed is None else seed
        self.sandbox, self.allow_weak_sandbox = sandbox, allow_weak_sandbox
        self.limits = limits or Limits()
        self.threads = threads
        self.environment = environment(self.device)
        self._is_twin = twin_of is not None
        self._usual: float | None = None
        place = None if self.gpu is None else torch.device("cuda", self.gpu)
        self.truths: TruthCache = twin_of.truths if twin_of else TruthCache(available_memory_bytes() // 3, place)
        self._ahead: Ahead = twin_of._ahead if twin_of else Ahead()
        self.calls = TimedCalls(problem, self.workload, self.device, self.seed, self.truths, self._usual_novelty)
        self.children = Children(self.calls, self._ahead, sandbox=sandbox, limits=self.limits, threads=threads)

    # What a caller asks for.

    def twin(self, gpu: int) -> Evaluator:
        """Return an evaluator of the same candidates on another GPU of this machine: the same seed and so the same
        inputs, with truths and compiled kernels shared. It is closed on its own, before this one."""
        return Evaluator(
            self.problem, self.workload, device=self.device.with_(index=gpu), seed=self.seed, sandbox=self.sandbox,
            allow_weak_sandbox=self.allow_weak_sandbox, limits=self.limits, threads=self.threads, twin_of=self,
        )  # fmt: skip

    def waits_for(self, candidate: Candidate) -> bool:
        """Whether a child of this evaluator has compiled `candidate` and waits to be asked for it."""
        return self.children.waits_for(candidate)

    def prepare(self) -> None:
        """Draw the timed inputs, count the work, and compute the bound. Idempotent."""
        self.calls.prepare()

    @property
    def bound(self) -> Bound | None:
        """The least time of a call, once the calls are prepared."""
        return self.calls.bound

    def build(self, candidate: Candidate, patience_s: float | None = None) -> float:
        """Build ahead of evaluation, for at most `patience_s` seconds where torch.compile does it; returns seconds.
        Raises CandidateError. Safe to call from several threads once `prepare` has returned."""
        start = time.perf_counter()
        prebuild(candidate)
        if compiles_itself(candidate):
            self.children.compile_once(candidate, patience_s)
        if self.gpu is not None and candidate.language in ("triton", "gluon"):
            self._ahead.compile(candidate, self.calls)
        return time.perf_counter() - start

    def make_truths(self, tier: Tier) -> None:
        """Make the truths of a tier before a search asks for them. Not while anything is timed."""
        self.prepare()
        make_truths(self.problem, tier=tier, workloads=(self.workload,), seed=self.seed, truths=self.truths, brief=True)

    def evaluate(
        self,
        candidate: Candidate,
        tier: Tier = "measure",
        *,
        stop_above_s: float | None = None,
        timeout_s: float | None = None,
        timed: bool = True,
    ) -> Record:
        """Judge and time one candidate. Faults of the candidate are its verdict; faults of ours are tried again, then
        reported as INFRA_ERROR. Raises CannotDo when the machine cannot do it."""
        for attempt in range(_INFRA_TRIES):
            used = self.children.served
            record = self._evaluate_once(candidate, tier, stop_above_s, timeout_s, timed)
            # Out of memory in a child that others used before: it may be what they left behind.
            crowded = record.status is Status.RESOURCE and used > 0
            if crowded:
                self.children.retire()
            if not (crowded or record.status is Status.INFRA_ERROR) or attempt + 1 == _INFRA_TRIES:
                break
        return record

    def certify(self, candidate: Candidate) -> Record:
        """Judge in a fresh process, on everything; then time thoroughly."""
        return self.evaluate(candidate, "certify")

    def compare(
        self, candidates: Sequence[Candidate], budget_s: float = 8.0, thorough: bool = False
    ) -> tuple[dict[str, Record], list[Comparison]]:
        """Time `candidates` paired and interleaved, each in a fresh process of its own. Returns a record for each by
        its digest, and the comparisons, which name candidates by digest. One that fails has its verdict and is left
        out of the comparisons. `thorough`: also with data in a cache, and on a GPU as plain launches, under load, and
        with the kernels that ran."""
        with contextlib.ExitStack() as stack:
            sessions, records = self._open_all(candidates, stack)
            measured, comparisons, failures = compare(
                sessions, self.calls.inputs, cold=self.calls.cold, budget_s=budget_s, thorough=thorough,
                warm_slots=self.calls.warm_slots, inspect=self.calls.inspector(),
            )  # fmt: skip
            for digest, measurement in measured.items():
                try:
                    self.calls.witness(sessions[digest], measurement)
                except CandidateError as refused:
                    failures[digest] = refused
            comparisons = [c for c in comparisons if c.name not in failures and c.baseline not in failures]
            for digest, failure in failures.items():
                records[digest] = self._record(_named(candidates, digest), "measure", self._failed(failure, "measure"))
            for digest in (d for d in measured if d not in failures):
                session, measurement = sessions[digest], measured[digest]
                verdict = Verdict(status=Status.PASSED, tier="measure", sandbox=session.sandbox, seeds=(self.seed,))
                facts = self._facts(session, session.candidate)
                records[digest] = self._record(session.candidate, "measure", verdict, measurement, facts=facts)
            return records, comparisons

    def close(self) -> None:
        """End every child; what is under way in other threads ends with them, and starts no others."""
        self.children.close()
        if not self._is_twin:
            self._ahead.close()

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # One evaluation.

    def _evaluate_once(
        self, candidate: Candidate, tier: Tier, stop_above_s: float | None, timeout_s: float | None, timed: bool
    ) -> Record:
        self.prepare()
        clock = _Laps()
        measured = judged = None
        facts: dict[str, Any] = {}
        try:
            prebuild(candidate)
            clock.lap("build_s")
            with self.children.session(candidate, tier == "certify") as session, _watchdog(session.child, timeout_s):
                brief = timeout_s is not None
                verdict = judged = self._verify(session, tier, brief)
                verdict = judged = self._look_closer(verdict, session, tier, brief)
                if tier == "certify" and self._may_be_timed(verdict, candidate):
                    self.calls.refuse_reuse(session)
                    self.calls.refuse_memory(session)
                clock.lap("check_s")
                if timed and tier != "screen" and self._may_be_timed(verdict, candidate):
                    measured = self.calls.measure(session, tier == "certify", stop_above_s)
                    verdict = self._against_bound(_stable(verdict, measured), measured)
                    clock.lap("measure_s")
                facts = self._facts(session, candidate)
                if measured is not None and tier == "certify":
                    facts["first_s"] = self.calls.first_call_s(session)
        except CandidateError as failure:
            verdict = self._failed(failure, tier)
            if judged is not None:  # what was seen before it failed stays evidence
                verdict = judged.with_(status=failure.status, detail=failure.detail, facts=judged.facts | verdict.facts)
        if verdict.status in _FATAL:
            self.children.retire()
        return self._record(candidate, tier, verdict, measured, clock.cost(), facts)

    def _verify(self, session: Session, tier: Tier, brief: bool) -> Verdict:
        if tier == "certify" and is_weak(session.sandbox) and not self.allow_weak_sandbox:
            raise WeakSandbox(
                "certify needs a sandbox that hides this process from the candidate, and this kernel grants "
                "no landlock; --allow-weak-sandbox goes on, and marks the record as untrusted"
            )
        return verify(
            session, self.problem, tier=tier, workloads=(self.workload,), seed=self.seed, truths=self.truths,
            truncating_bf16=self.children.interprets(session.candidate), device=self.device.kind, brief=brief,
        )  # fmt: skip

    def _look_closer(self, verdict: Verdict, session: Session, tier: Tier, brief: bool) -> Verdict:
        """What lasts, and what a build with a sanitizer sees. A search certifies what it returns, and its deadline
        (`brief`) has no seconds for a sanitizer."""
        if tier == "certify" or session.candidate.origin == "user":
            verdict = _lasting(verdict, session)
        if tier == "certify" and not brief:
            verdict = sanitized(verdict, session.candidate, self._sanitizer_calls())
            if self.gpu is not None:
                verdict = sanitized_on_gpu(verdict, session.candidate, self._sanitizer_calls(), self.gpu)
        return verdict

    def _may_be_timed(self, verdict: Verdict, candidate: Candidate) -> bool:
        return verdict.status is Status.PASSED and not self.children.interprets(candidate)

    def _sanitizer_calls(self) -> list[Inputs]:
        """The normal inputs, then the problem's small edges: sizes that leave remainders."""
        edges = self.problem.edges() if self.problem.edges else ()
        cases = [self.truths.case(self.problem, w, "normal", self.seed) for w in (self.workload, *edges)]
        return [case.inputs for case in cases if case.inputs is not None]

    def _against_bound(self, verdict: Verdict, measured: Measurement) -> Verdict:
        bound = self.bound
        if bound is not None and bound.hard_s is not None and self.calls.cold and measured.median_s < bound.hard_s:
            return verdict.with_(
                status=Status.BOUND_VIOLATION,
                detail=f"{measured.median_s:.3e} s is below what no correct kernel can beat, {bound.hard_s:.3e} s: "
                f"{bound.hard_derivation}",
            )
        return verdict

    def _open_all(
        self, candidates: Sequence[Candidate], stack: contextlib.ExitStack
    ) -> tuple[dict[str, Session], dict[str, Record]]:
        """Start a child for each, load them, and call each once, side by side: the first call compiles."""
        self.prepare()
        sessions: dict[str, Session] = {}
        records: dict[str, Record] = {}
        children = [stack.enter_context(self.children.start(candidate)) for candidate in candidates]
        for child in children:
            with contextlib.suppress(CandidateError):  # which it says again when it is asked to load
                child.time_messages()  # while nothing is loaded
        with ThreadPoolExecutor(max_workers=max(1, len(children))) as pool:
            opened = list(pool.map(self._opened, children, candidates))
        for candidate, found in zip(candidates, opened, strict=True):
            if isinstance(found, Session):
                sessions[candidate.digest] = stack.enter_context(found)
            else:
                records[candidate.digest] = self._record(candidate, "measure", self._failed(found, "measure"))
        return sessions, records

    def _opened(self, child: Child, candidate: Candidate) -> Session | CandidateError:
        try:
            prebuild(candidate)
            session = self.children.load(child, candidate)
            session.time(self.calls.inputs, [0])
            return session
        except CandidateError as failure:
            return failure

    def _usual_novelty(self) -> float:
        """How many times as long the reference takes on inputs never seen before, at least 1; in a child of its own."""
        if self._usual is None:
            self._usual = 1.0
            with contextlib.suppress(NoSource, CandidateError):
                with self.children.session(plain_candidate(self.problem), fresh=True) as session:
                    for slot, inputs in enumerate(self.calls.inputs):
                        session.call(inputs, slot=slot)
                    self._usual = max(1.0, self.calls.novelty(session))
        return self._usual

    # Records.

    def _failed(self, failure: CandidateError, tier: Tier) -> Verdict:
        return Verdict(
            status=failure.status, tier=tier, sandbox="", seeds=(self.seed,), detail=failure.detail,
            facts={"notes": list(getattr(failure, "__notes__", []))},
        )  # fmt: skip

    def _facts(self, session: Session, candidate: Candidate) -> dict[str, Any]:
        facts: dict[str, Any] = {"sandbox": session.sandbox, "threads": session.child.threads, "load_s": session.load_s}
        if compiles_itself(candidate):
            facts["proof"] = session.proof()
        compiled = self._ahead.facts(candidate)
        if compiled is not None:
            facts["compiled"] = [f.model_dump(mode="json") for f in compiled]
        if candidate.origin == "user":
            facts["suspicions"] = [s.model_dump(mode="json") for s in screen(candidate, self.problem.source)]
        printed = session.child.captured.text() if session.child.captured.total_bytes else ""
        return facts | ({"printed": printed[-4000:]} if printed else {})

    def _record(
        self,
        candidate: Candidate,
        tier: Tier,
        verdict: Verdict,
        measured: Measurement | None = None,
        cost: EvaluationCost | None = None,
        facts: dict[str, Any] | None = None,
    ) -> Record:
        return Record(
            candidate=candidate.digest,
            name=candidate.name,
            origin=candidate.origin,
            language=candidate.language,
            params=candidate.params,
            problem=self.problem.digest,
            problem_name=self.problem.name,
            workload=self.workload.name,
            device=self.device.kind,
            tier=tier,
            verdict=verdict,
            measurement=measured,
            bound=self.bound,
            facts=facts or {},
            environment=content_digest(canonical_json(self.environment)),
            cost=cost or EvaluationCost(),
        )


class _Laps:
    """Seconds between laps, by name."""

    def __init__(self) -> None:
        self.last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self.last = now - self.last, now

    def cost(self) -> EvaluationCost:
        return EvaluationCost.model_validate(self.laps)


@contextlib.contextmanager
def _watchdog(child: Child, timeout_s: float | None) -> Iterator[None]:
    """Kill the child when a whole evaluation takes longer than `timeout_s`, and say so."""
    if timeout_s is None:
        yield
        return
    fired = threading.Event()

    def end() -> None:
        fired.set()
        child.kill()

    timer = threading.Timer(timeout_s, end)
    timer.start()
    try:
        yield
    except CandidateError:
        if not fired.is_set():
            raise
    finally:
        timer.cancel()
        timer.join()  # a kill that has begun must not reach the next candidate's child
    # The verdict may have taken the death of the child for a fault of its own, so this is said in either case.
    if fired.is_set():
        raise CandidateError(Status.TIMEOUT, f"the evaluation took more than {timeout_s:.0f} s; killed")


def _stable(verdict: Verdict, measured: Measurement) -> Verdict:
    """A measurement that disagrees with itself is refused, not averaged."""
    if measured.stable:
        return verdict
    detail = "the first and the second half of its timed calls disagree: measure again on a quieter machine"
    return verdict.with_(status=Status.UNSTABLE, detail=detail)


def _lasting(verdict: Verdict, session: Session) -> Verdict:
    """Refuse results that live until a later call than the next: of buffers that take turns."""
    if verdict.status is not Status.PASSED or session.early_results_hold():
        return verdict
    detail = "the result of an early call was changed by a later one: a result must last as long as it is held"
    return verdict.with_(status=Status.ALIASED_OUTPUT, detail=detail)


def _named(candidates: Sequence[Candidate], digest: str) -> Candidate:
    return next(c for c in candidates if c.digest == digest)


def evaluate(
    candidate: Candidate,
    problem: Problem,
    workload: Workload | None = None,
    *,
    tier: Tier = "measure",
    device: str = "auto",
    seed: int | None = None,
    allow_weak_sandbox: bool = False,
) -> Record:
    """Judge and time one candidate and return the record. See Evaluator for many candidates of one problem."""
    with Evaluator(problem, workload, device=device, seed=seed, allow_weak_sandbox=allow_weak_sandbox) as evaluator:
        return evaluator.evaluate(candidate, tier)


class _CallableModule(ModuleType):
    """`tilewright.evaluate` is this module and the function at once: the design gives both the same word."""

    __call__ = staticmethod(evaluate)


sys.modules[__name__].__class__ = _CallableModule
