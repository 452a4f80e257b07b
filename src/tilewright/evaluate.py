"""The only composer: candidate -> Verdict -> Measurement -> Record.

An Evaluator holds what is the same for every candidate of one problem and workload: the secret seed, the inputs, the
truths, one persistent child, and the device. It is the trusted side: candidates run in children only.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import torch

from .bound import Bound, bound, cost_of
from .build.facts import CompileFacts
from .cache import made_cache_folder
from .candidate import Candidate, CandidateError, Status
from .child.compiler import prebuild
from .child.cross import cross_compile, lend_cache
from .child.leftovers import Scratch
from .child.process import Child, Limits
from .child.sandbox import is_weak
from .child.session import Outcome, Room, Session, arena_bytes, room_for, same_bytes
from .device import Device, detect, environment
from .device.machine import available_memory_bytes
from .measure import Comparison, Measurement, compare, measure
from .measure.clock import novelty, witness
from .measure.quiet import busy_share, is_at_rest
from .problem import Inputs, Problem, Workload
from .record import EvaluationCost, Record
from .schema import canonical_json, content_digest
from .verify import Truth, TruthCache, Verdict, judge, make_truths, verify
from .verify.sanitizer import sanitized
from .verify.static_screen import screen
from .verify.verdict import Tier

_CONTENTS = 2  # distinct contents among the timed inputs; each needs its own truth
_MOST_SLOTS = {"cpu": 8, "cuda": 128}
_SMALL_BYTES = 16 << 20
_INFRA_TRIES = 2
_MOST_SERVED = 32  # then a persistent child is replaced: what candidates leave in its heap adds up
# An honest kernel is at 1, but for a CPU's caches, which new content at an old address leaves cold.
_NOVELTY = {"cpu": 2.0, "cuda": 1.25}
_NOVELTY_TRIES = 3
# What it leaves behind in a child, a full folder or a broken context, must not be the fault of the next one.
_FATAL = (Status.RUNTIME_ERROR, Status.RESOURCE, Status.TIMEOUT)


class CannotDo(Exception):
    """This machine cannot do what was asked; the message says what is missing."""


class WeakSandbox(CannotDo):
    """The candidate could read this process, so that nothing can be certified."""


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
    ):
        self.problem = problem
        self.workload = workload or problem.workloads[0]
        self.device = device if isinstance(device, Device) else detect(device)
        self.gpu = self.device.index if self.device.kind == "cuda" else None
        self.seed = secrets.randbits(62) if seed is None else seed
        self.sandbox, self.allow_weak_sandbox = sandbox, allow_weak_sandbox
        self.limits = limits or Limits()
        self.threads = threads
        place = None if self.gpu is None else torch.device("cuda", self.gpu)
        self.truths = TruthCache(available_memory_bytes() // 3, place)
        self.environment = environment(self.device)
        self.bound: Bound | None = None
        self._closed = self._is_twin = False
        self._children: dict[str, Child] = {}
        self._served = 0  # candidates that the persistent children have run
        self._kept = Scratch()
        self._ahead: dict[str, tuple[str, list[CompileFacts]]] = {}  # kernels compiled ahead: a cache, and their facts
        self._inputs: list[Inputs] = []
        self._outputs: tuple[torch.Tensor, ...] = ()
        self._unseen: list[Inputs] = []

    # What a caller asks for.

    def twin(self, gpu: int) -> Evaluator:
        """Return an evaluator of the same candidates on another GPU of this machine: the same seed and so the same
        inputs, with truths and compiled kernels shared. It is closed on its own, before this one."""
        other = Evaluator(
            self.problem, self.workload, device=self.device.with_(index=gpu), seed=self.seed, sandbox=self.sandbox,
            allow_weak_sandbox=self.allow_weak_sandbox, limits=self.limits, threads=self.threads,
        )  # fmt: skip
        other._kept.close()
        other.truths, other._kept, other._ahead, other._is_twin = self.truths, self._kept, self._ahead, True
        return other

    def waits_for(self, candidate: Candidate) -> bool:
        """Whether a child of this evaluator has compiled `candidate` and waits to be asked for it."""
        return candidate.digest in self._children

    def build(self, candidate: Candidate, patience_s: float | None = None) -> float:
        """Build ahead of evaluation, for at most `patience_s` seconds where torch.compile does it; returns seconds.
        Raises CandidateError. Safe to call from several threads once `prepare` has returned."""
        start = time.perf_counter()
        prebuild(candidate)
        if _compiles_itself(candidate):
            self._compile_once(candidate, patience_s)
        if self.gpu is not None and candidate.language in ("triton", "gluon"):
            self._compile_ahead(candidate)
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
            used = self._served
            record = self._evaluate_once(candidate, tier, stop_above_s, timeout_s, timed)
            # Out of memory in a child that others used before: it may be what they left behind.
            crowded = record.status is Status.RESOURCE and used > 0
            if crowded:
                self._retire()
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
        out of the comparisons. `thorough`: on a GPU, with the kernels that ran, and the time under continuous load."""
        with contextlib.ExitStack() as stack:
            sessions, records = self._open_all(candidates, stack)
            measured, comparisons, failures = compare(
                sessions, self._inputs, cold=self.cold, budget_s=budget_s, thorough=thorough,
                inspect=self._inspector(),
            )  # fmt: skip
            for digest, measurement in measured.items():
                try:
                    self._witness(sessions[digest], measurement)
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
        self._closed = True
        for child in list(self._children.values()):
            child.close()
        self._children.clear()
        if not self._is_twin:
            self._kept.close()

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _interpreted(self, candidate: Candidate) -> bool:
        """On a CPU a Triton candidate runs under Triton's interpreter, which is never timed."""
        return self.gpu is None and candidate.language in ("triton", "gluon")

    # What is the same for every candidate.

    def prepare(self) -> None:
        """Draw the timed inputs, count the work, and compute the bound. Idempotent."""
        if self._inputs:
            return
        judged = self.truths.case(self.problem, self.workload, "normal", self.seed).inputs
        assert judged is not None
        contents = [judged, *(self.problem.make_inputs(self.workload, self.seed + i) for i in range(1, _CONTENTS))]
        self._outputs = self._run_reference(contents[0])
        contents = [Inputs(c.args, contents[0].state, contents[0].init) for c in contents]
        per_call = sum(t.numel() * t.element_size() for t in contents[0].tensors().values())
        self._refuse_what_does_not_fit(per_call)
        wanted = 2 * self.device.cache_bytes
        slots = min(_MOST_SLOTS[self.device.kind], max(_CONTENTS + 1, -(-wanted // max(per_call, 1)) + 1))
        self.cold = slots * per_call > wanted
        self._contents = contents
        # The same content lies at several addresses and every address holds another content than its neighbours.
        self._inputs = [Inputs(contents[i % _CONTENTS].args, contents[0].state, contents[0].init) for i in range(slots)]
        cost = cost_of(self.problem, self.workload, small=per_call <= _SMALL_BYTES)
        self.bound = bound(cost, self.device, cold=self.cold)

    def _run_reference(self, inputs: Inputs) -> tuple[torch.Tensor, ...]:
        place = self.truths.device
        if place is None:
            return self.problem.run(inputs.map(lambda _, t: t.clone()))  # a reference may change what it is given
        with torch.no_grad():
            return tuple(o.cpu() for o in self.problem.run(inputs.map(lambda _, t: t.to(place))))

    def _refuse_what_does_not_fit(self, input_bytes: int) -> None:
        """The timed inputs, a copy of each for the parent, and float64 truths with their scratch, must fit memory."""
        output_bytes = sum(t.numel() * t.element_size() for t in self._outputs)
        needed = {"this machine": 2 * (_CONTENTS + 1) * input_bytes + 16 * (input_bytes + output_bytes)}
        there = {"this machine": available_memory_bytes()}
        if self.gpu is not None:
            needed["this GPU"] = (2 * _CONTENTS + 1) * input_bytes + 8 * (input_bytes + output_bytes)
            there["this GPU"] = self.device.memory_bytes
        for name, bytes_ in needed.items():
            if bytes_ > there[name]:
                raise CannotDo(
                    f"{self.problem.name} at {self.workload.name} needs about {bytes_ / 2**30:.1f} GiB to be judged, "
                    f"and {name} has {there[name] / 2**30:.1f} GiB: choose a smaller workload"
                )

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
            with self._session(candidate, fresh=tier == "certify") as session, _watchdog(session, timeout_s):
                if tier == "certify" and is_weak(session.sandbox) and not self.allow_weak_sandbox:
                    raise WeakSandbox(
                        "certify needs a sandbox that hides this process from the candidate, and this kernel grants "
                        "no landlock; --allow-weak-sandbox goes on, and marks the record as untrusted"
                    )
                verdict = judged = self._verify(session, tier, brief=timeout_s is not None)
                if tier == "certify" or candidate.origin == "user":  # a search certifies what it returns
                    verdict = judged = _lasting(verdict, session)
                if tier == "certify" and timeout_s is None:  # it takes seconds, which a search's deadline has not
                    verdict = sanitized(verdict, candidate, self._sanitizer_calls())
                if tier == "certify" and verdict.status is Status.PASSED and not self._interpreted(candidate):
                    self._refuse_reuse(session)
                    self._refuse_memory(session)
                clock.lap("check_s")
                if timed and tier != "screen" and verdict.status is Status.PASSED and not self._interpreted(candidate):
                    measured = self._measure(session, tier == "certify", stop_above_s)
                    verdict = self._against_bound(_stable(verdict, measured), measured)
                    clock.lap("measure_s")
                facts = self._facts(session, candidate)
        except CandidateError as failure:
            verdict = self._failed(failure, tier)
            if judged is not None:  # what was seen before it failed stays evidence
                verdict = judged.with_(status=failure.status, detail=failure.detail, facts=judged.facts | verdict.facts)
        if verdict.status in _FATAL:
            self._retire()
        return self._record(candidate, tier, verdict, measured, clock.cost(), facts)

    def _verify(self, session: Session, tier: Tier, brief: bool) -> Verdict:
        return verify(
            session, self.problem, tier=tier, workloads=(self.workload,), seed=self.seed, truths=self.truths,
            truncating_bf16=self._interpreted(session.candidate), device=self.device.kind, brief=brief,
        )  # fmt: skip

    def _sanitizer_calls(self) -> list[Inputs]:
        """The normal inputs, then the problem's small edges: sizes that leave remainders."""
        edges = self.problem.edges() if self.problem.edges else ()
        cases = [self.truths.case(self.problem, w, "normal", self.seed) for w in (self.workload, *edges)]
        return [case.inputs for case in cases if case.inputs is not None]

    def _refuse_reuse(self, session: Session) -> None:
        """Refuse a candidate whose results a call on other content changes, or that works while nobody asks it to."""
        for slot in range(_CONTENTS + 1):
            outcome = session.call(self._inputs[slot], slot=slot)
            if not outcome.stable:
                raise CandidateError(Status.ALIASED_OUTPUT, "the result of one call was changed by a following call")
            self._inspect(slot % _CONTENTS, outcome)
        share = 0.0 if self.gpu is not None else busy_share(session.child.pid, session.sandbox)
        if not is_at_rest(share):
            raise CandidateError(
                Status.REWARD_HACK,
                f"between calls it goes on working: its threads or processes take {share:.1%} of a processor",
            )

    def _refuse_memory(self, session: Session, claimed_s: float | None = None) -> None:
        """Refuse a candidate that is fast only on inputs it has seen before: faster than it is now, or than the
        `claimed_s` of its measurement."""
        least_s = float("inf")
        for _ in range(_NOVELTY_TRIES):  # new contents every time, so that only an honest one on a busy machine gains
            fresh_s, seen_s = novelty(session, self._inputs, lambda _: self._draw_unseen())
            least_s = min(least_s, fresh_s)
            ratio = least_s / (claimed_s or seen_s)
            if ratio <= _NOVELTY[self.device.kind]:
                return
        raise CandidateError(
            Status.REWARD_HACK,
            f"calls on inputs never seen before take {ratio:.1f} times as long: it keeps results instead of "
            "computing them",
        )

    def _draw_unseen(self) -> Inputs:
        drawn = self.problem.make_inputs(self.workload, secrets.randbits(62))
        return Inputs(drawn.args, self._contents[0].state, self._contents[0].init)

    def _measure(self, session: Session, thorough: bool, stop_above_s: float | None) -> Measurement:
        measured = measure(
            session, self._inputs, cold=self.cold, thorough=thorough, stop_above_s=stop_above_s,
            inspect=self._inspector(session.first_outputs),
        )  # fmt: skip
        if thorough:
            self._witness(session, measured)
            if self.gpu is None:
                self._refuse_memory(session, measured.median_s)
        return measured

    def _witness(self, session: Session, measured: Measurement) -> None:
        """Have the time of a call borne out by the parent's clock alone, in a process that was not asked this before.
        The contents are drawn once, so that one truth serves all candidates."""

        def unseen(trial: int) -> Inputs:
            while len(self._unseen) <= trial:
                self._unseen.append(self._draw_unseen())
            return self._unseen[trial]

        def check(trial: int, outcome: Outcome) -> None:
            key = ("unseen", self.workload.name, trial)
            self._accept(self.truths.get(self.problem, unseen(trial), key=key), outcome)

        witness(session, self._inputs, unseen, self._draw_unseen, check, measured.median_s)

    def _inspector(self, first: tuple[torch.Tensor, ...] = ()) -> Callable[[int, Outcome], None]:
        """Judge the result of a timed call like any other, once: what has the same bits as an output of the same
        inputs that was judged right, is right. So were the `first` outputs of the candidate, of the first content."""
        right: dict[int, list[tuple[torch.Tensor, ...]]] = {0: [first]} if first else {}

        def inspect(slot: int, outcome: Outcome) -> None:
            known = right.setdefault(slot % _CONTENTS, [])
            if not _clean(outcome) or not any(_same_outputs(outcome.outputs, k) for k in known):
                self._inspect(slot % _CONTENTS, outcome)
                if len(known) < 2:
                    known.append(outcome.outputs)

        return inspect

    def _inspect(self, content: int, outcome: Outcome) -> None:
        if content == 0:
            truth = self.truths.case(self.problem, self.workload, "normal", self.seed).truth
        else:
            truth = self.truths.get(self.problem, self._contents[content], key=("timed", self.workload.name, content))
        assert truth is not None
        if not truth.changes:  # else calls before this one have changed its inputs, and the witness is judged alone
            self._accept(truth, outcome)

    def _accept(self, truth: Truth, outcome: Outcome) -> None:
        judgement = judge(truth, outcome, device=self.device.kind)
        if judgement.status is not Status.PASSED:
            raise CandidateError(judgement.status, f"in one of many calls: {judgement.detail}")

    def _against_bound(self, verdict: Verdict, measured: Measurement) -> Verdict:
        hard_s = self.bound.hard_s if self.bound else None
        if hard_s is not None and self.cold and measured.median_s < hard_s:
            return verdict.with_(
                status=Status.BOUND_VIOLATION,
                detail=f"{measured.median_s:.3e} s is below what no correct kernel can beat, {hard_s:.3e} s: "
                f"{self.bound.hard_derivation}",  # type: ignore[union-attr]
            )
        return verdict

    # Children.

    @contextlib.contextmanager
    def _session(self, candidate: Candidate, fresh: bool) -> Iterator[Session]:
        """A session in the persistent child, or in a fresh one that ends with it."""
        own = fresh or _compiles_itself(candidate)
        waiting = None if fresh else self._children.pop(candidate.digest, None)
        child = waiting or (self._start(candidate) if own else self._persistent(candidate))
        try:
            self._lend(candidate, child)
            with Session(child, candidate, self.problem, self._room()) as session:
                yield session
        finally:
            if own:
                child.close()

    def _room(self) -> Room:
        return room_for(self._outputs, self._contents[0] if self.gpu is None else None)

    def _lend(self, candidate: Candidate, child: Child) -> None:
        if candidate.digest in self._ahead:
            lend_cache(self._ahead[candidate.digest][0], child.scratch)

    def _persistent(self, candidate: Candidate) -> Child:
        kind = "interpreter" if self._interpreted(candidate) else "native"
        if self._served >= _MOST_SERVED:
            self._retire()
        self._served += 1
        child = self._children.get(kind)
        if child is None or not child.alive:
            if child is not None:
                child.close()
            child = self._children[kind] = self._start(candidate)
        return child

    def _retire(self) -> None:
        """Let the persistent children go; the next candidate starts a new one."""
        for kind in ("interpreter", "native"):
            child = self._children.pop(kind, None)
            if child is not None:
                child.close()
        self._served = 0

    def _compile_once(self, candidate: Candidate, patience_s: float | None) -> None:
        """Call the candidate once: what it compiled stays in a cache for others, and its child waits for its turn."""
        self.prepare()
        limits = replace(self.limits, first_call_s=patience_s, compile_s=patience_s) if patience_s else self.limits
        child = self._children[candidate.digest] = self._start(candidate, limits)
        try:
            with Session(child, candidate, self.problem, self._room()) as session:
                session.call(self._inputs[0])
        except BaseException:
            self._children.pop(candidate.digest, child).close()
            raise

    def _compile_ahead(self, candidate: Candidate) -> None:
        """Compile the candidate's kernels on the CPU, for a child to find. What fails here, fails there too, or was
        of no use: the verdict is made on the GPU."""
        if candidate.digest in self._ahead:
            return
        kept = os.path.join(self._kept.path, candidate.digest)
        found = cross_compile(candidate, self.problem, self.workload, [self.device.arch], keep=kept)
        self._ahead[candidate.digest] = (kept, [f for f in found if isinstance(f, CompileFacts)])

    def _start(self, candidate: Candidate, limits: Limits | None = None) -> Child:
        if self._closed:
            raise CandidateError(Status.INFRA_ERROR, "the evaluator is closed")
        inductor = str(made_cache_folder("inductor"))
        compiles = _compiles_itself(candidate)
        return Child(
            arena_bytes(self._inputs, self._outputs, self._room()),
            limits=limits or self.limits,
            sandbox=self.sandbox,
            threads=self.threads,
            interpret=self._interpreted(candidate),
            gpu=self.gpu,
            writable=(inductor,) if compiles else (),
            environment=_lasting_cache(inductor) if compiles else {},
        )

    def _open_all(
        self, candidates: Sequence[Candidate], stack: contextlib.ExitStack
    ) -> tuple[dict[str, Session], dict[str, Record]]:
        """Start a child for each, side by side, and load them."""
        self.prepare()
        sessions: dict[str, Session] = {}
        records: dict[str, Record] = {}
        children = [stack.enter_context(self._start(candidate)) for candidate in candidates]
        for candidate, child in zip(candidates, children, strict=True):
            try:
                prebuild(candidate)
                self._lend(candidate, child)
                session = Session(child, candidate, self.problem, self._room())
                sessions[candidate.digest] = stack.enter_context(session)
            except CandidateError as failure:
                records[candidate.digest] = self._record(candidate, "measure", self._failed(failure, "measure"))
        return sessions, records

    # Records.

    def _failed(self, failure: CandidateError, tier: Tier) -> Verdict:
        return Verdict(
            status=failure.status, tier=tier, sandbox="", seeds=(self.seed,), detail=failure.detail,
            facts={"notes": list(getattr(failure, "__notes__", []))},
        )  # fmt: skip

    def _facts(self, session: Session, candidate: Candidate) -> dict[str, Any]:
        facts: dict[str, Any] = {"sandbox": session.sandbox, "threads": session.child.threads, "load_s": session.load_s}
        if _compiles_itself(candidate):
            facts["proof"] = session.proof()
        if candidate.digest in self._ahead:
            facts["compiled"] = [f.model_dump(mode="json") for f in self._ahead[candidate.digest][1]]
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
def _watchdog(session: Session, timeout_s: float | None) -> Iterator[None]:
    """Kill the child when a whole evaluation takes longer than `timeout_s`, and say so."""
    if timeout_s is None:
        yield
        return
    fired = threading.Event()

    def end() -> None:
        fired.set()
        session.child.kill()

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


def _lasting_cache(folder: str) -> dict[str, str]:
    """Where torch.compile keeps what it compiled, for later children."""
    return {
        "TORCHINDUCTOR_CACHE_DIR": folder,
        "TRITON_CACHE_DIR": f"{folder}/triton",
        # Inductor keeps precompiled headers beside the temporary files, where each child would make them again.
        "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",
    }


def _clean(outcome: Outcome) -> bool:
    """Whether a call left everything but its outputs alone."""
    aliases = any(m.aliases or m.aliases_outputs for m in outcome.metas)
    return not (outcome.mutated or outcome.out_of_bounds or aliases) and outcome.stable


def _same_outputs(a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(same_bytes(x, y) for x, y in zip(a, b, strict=True))


def _compiles_itself(candidate: Candidate) -> bool:
    """Baselines that call torch.compile run in their own process, with a build cache that lasts."""
    return candidate.origin.startswith("compile")


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
