"""The calls of one problem and workload that are timed: their inputs, their bound, and what a candidate is refused for.

All of it is on the trusted side: a session is asked, and what it answers is judged like any other call.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence

import torch

from .bound import Bound, bound, cost_of
from .candidate import CandidateError, Status
from .child.outcome import Outcome
from .child.room import room_for
from .child.session import Session
from .child.tensors import same_bytes
from .device import Device
from .device.machine import available_memory_bytes
from .failure import CannotDo
from .measure import Measurement, measure
from .measure.clock import novelty, witness
from .measure.prepared import first_call_s
from .measure.quiet import busy_share, is_at_rest
from .problem import Inputs, Problem, Workload
from .verify import Truth, TruthCache, judge

_CONTENTS = 2  # distinct contents among the timed inputs at the least; each needs its own truth
_MOST_SLOTS = {"cpu": 8, "cuda": 128}
_SMALL_BYTES = 16 << 20
_TINY_BYTES = 4 << 20  # of all contents, where more than usual are drawn
_WITNESSES, _WITNESS_BYTES = 32, 64 << 20  # calls too short to be seen one by one are seen by the dozen
# An honest kernel is at 1: known content is written anew as well. Calls are short, and machines busy.
_NOVELTY = {"cpu": 1.3, "cuda": 1.25}
_NOVELTY_TRIES = 6


class TimedCalls:
    """`inputs` are what calls rotate over, each at its own addresses, `many` the same and more where they are small,
    `outputs` what the reference makes of the first, `cold` whether no cache holds all of `inputs`, `warm_slots` how
    many of them one holds with their outputs, two at the least, `bound` the least time of a call, and `warm_bound` that
    of a call whose data is in a cache; all of them after `prepare`."""

    def __init__(
        self,
        problem: Problem,
        workload: Workload,
        device: Device,
        seed: int,
        truths: TruthCache,
        usual: Callable[[], float] = lambda: 1.0,
    ):
        """`usual` says how many times as long the reference itself takes on inputs never seen before, which is asked
        only where a candidate takes longer: work that depends on data is faster on data that a processor knows."""
        self.problem, self.workload, self.device, self.seed, self.truths = problem, workload, device, seed, truths
        self._usual = usual
        self.inputs: list[Inputs] = []
        self.many: list[Inputs] = []
        self.outputs: tuple[torch.Tensor, ...] = ()
        self.cold = False
        self.warm_slots = 0
        self.bound: Bound | None = None
        self.warm_bound: Bound | None = None
        self._contents: list[Inputs] = []
        self._unseen: list[Inputs] = []

    def prepare(self) -> None:
        """Draw the inputs, count the work, and compute the bound. Idempotent. CannotDo where memory is too small."""
        if self.inputs:
            return
        judged = self.truths.case(self.problem, self.workload, "normal", self.seed).inputs
        assert judged is not None
        self.outputs = self._run_reference(judged)
        per_call = sum(t.numel() * t.element_size() for t in judged.tensors().values())
        self._refuse_what_does_not_fit(per_call)
        wanted = 2 * self.device.cache_bytes
        most = _MOST_SLOTS[self.device.kind]
        if self.device.kind == "cpu":
            most = max(most, min(_WITNESSES, _TINY_BYTES // max(per_call, 1)))
        slots = min(most, max(_CONTENTS + 1, -(-wanted // max(per_call, 1)) + 1))
        self.cold = slots * per_call > wanted
        self._contents = contents = self._draw(judged, self._distinct(slots, per_call))
        # Some content lies at several addresses, and every address holds another content than its neighbours.
        most = max(slots, self._witnesses(judged, per_call)) if self.device.kind == "cpu" else slots
        self.many = [Inputs(contents[i % len(contents)].args, judged.state, judged.init) for i in range(most)]
        self.inputs = self.many[:slots]
        fitting = self.device.cache_bytes // 2 // max(1, per_call + self._output_bytes)
        self.warm_slots = min(slots, max(_CONTENTS, fitting))
        cost = cost_of(self.problem, self.workload, small=per_call <= _SMALL_BYTES)
        self.bound = bound(cost, self.device, cold=self.cold)
        self.warm_bound = bound(cost, self.device, cold=False)

    @property
    def first_content(self) -> Inputs:
        return self._contents[0]

    def measure(self, session: Session, thorough: bool, stop_above_s: float | None) -> Measurement:
        """Time a session. `thorough`: every block is judged, and the time is borne out by the parent's clock alone."""
        measured = measure(
            session, self.inputs, cold=self.cold, thorough=thorough, stop_above_s=stop_above_s,
            inspect=self.inspector(session.first_outputs),
        )  # fmt: skip
        if thorough:
            self.witness(session, measured)
            if self.device.kind == "cpu":
                self.refuse_memory(session, measured.median_s)
        return measured

    def inspector(self, first: tuple[torch.Tensor, ...] = ()) -> Callable[[int, Outcome], None]:
        """Judge the result of a timed call like any other, once: what has the same bits as an output of the same
        inputs that was judged right, is right. So were the `first` outputs of the candidate, of the first content."""
        right: dict[int, list[tuple[torch.Tensor, ...]]] = {0: [first]} if first else {}

        def inspect(slot: int, outcome: Outcome) -> None:
            known = right.setdefault(slot % len(self._contents), [])
            if not _clean(outcome) or not any(_same_outputs(outcome.outputs, k) for k in known):
                self._inspect(slot % len(self._contents), outcome)
                if len(known) < 2:
                    known.append(outcome.outputs)

        return inspect

    def witness(self, session: Session, measured: Measurement) -> None:
        """Have the time of a call borne out by the parent's clock alone, in a process that was not asked this before.
        The contents are drawn once, so that one truth serves all candidates."""

        def unseen(trial: int) -> Inputs:
            while len(self._unseen) <= trial:
                self._unseen.append(self._draw_unseen())
            return self._unseen[trial]

        def check(trial: int, outcome: Outcome) -> None:
            key = ("unseen", self.workload.name, trial)
            self._accept(self.truths.get(self.problem, unseen(trial), key=key), outcome)

        try:
            witness(session, self.many, unseen, self._draw_unseen, check, measured.median_s)
        except CandidateError as refused:
            factor = self._usual_factor() if refused.status is Status.TIMING_INCONSISTENT else 1.0
            if factor == 1.0:
                raise
            witness(session, self.many, unseen, self._draw_unseen, check, factor * measured.median_s)

    def first_call_s(self, session: Session) -> float | None:
        """What a module's first call takes on weights that it has never seen; see measure.prepared."""
        return first_call_s(session, lambda: self.problem.make_inputs(self.workload, secrets.randbits(62)))

    def refuse_reuse(self, session: Session) -> None:
        """Refuse a candidate whose results a call on other content changes, or that works while nobody asks it to."""
        for slot in range(_CONTENTS + 1):
            outcome = session.call(self.inputs[slot], slot=slot)
            if not outcome.stable:
                raise CandidateError(Status.ALIASED_OUTPUT, "the result of one call was changed by a following call")
            self._inspect(slot % len(self._contents), outcome)
        share = busy_share(session.child.pid, session.sandbox) if self.device.kind == "cpu" else 0.0
        if not is_at_rest(share):
            raise CandidateError(
                Status.REWARD_HACK,
                f"between calls it goes on working: its threads or processes take {share:.1%} of a processor",
            )

    def refuse_memory(self, session: Session, claimed_s: float | None = None) -> None:
        """Refuse a candidate that is fast only on inputs it has seen before: faster than it is now, or than the
        `claimed_s` of its measurement, with what it takes to bring new content into a cache."""
        ratio, limit = self.novelty(session, claimed_s), _NOVELTY[self.device.kind]
        if ratio <= limit or ratio <= limit * self._usual_factor():
            return
        raise CandidateError(
            Status.REWARD_HACK,
            f"calls on inputs never seen before take {ratio:.1f} times as long: it keeps results instead of "
            "computing them",
        )

    def _draw(self, judged: Inputs, count: int) -> list[Inputs]:
        others = (self.problem.make_inputs(self.workload, self.seed + i) for i in range(1, count))
        return [judged, *(Inputs(c.args, judged.state, judged.init) for c in others)]

    def _distinct(self, slots: int, per_call: int) -> int:
        """How many contents: a processor learns the branches of a few small ones by heart, and is faster on these."""
        small = _SMALL_BYTES // max(1, per_call) if self.device.kind == "cpu" else 0
        return max(_CONTENTS, min(slots - 1, small))

    def _witnesses(self, content: Inputs, per_call: int) -> int:
        room = room_for(self.outputs, content)
        return min(_WITNESSES, _WITNESS_BYTES // (per_call + room.parts * room.usual_bytes))

    def novelty(self, session: Session, claimed_s: float | None = None) -> float:
        """How many times as long a call takes on inputs never seen before: the least of some tries, each with new
        contents, so that only an honest candidate on a busy machine gains by another one."""
        least_s = ratio = float("inf")
        cold_s = 0.0 if claimed_s is None else self._copy_s()
        for _ in range(_NOVELTY_TRIES):
            fresh_s, seen_s = novelty(session, self.inputs, lambda _: self._draw_unseen())
            least_s = min(least_s, fresh_s)
            ratio = min(ratio, least_s / (seen_s if claimed_s is None else claimed_s + cold_s))
            if ratio <= _NOVELTY[self.device.kind]:
                break
        return ratio

    def _usual_factor(self) -> float:
        """How many times as long the reference takes on inputs never seen before; 1 where that is within the limit."""
        usual = self._usual()
        return usual if usual > _NOVELTY[self.device.kind] else 1.0

    @property
    def _output_bytes(self) -> int:
        return sum(t.numel() * t.element_size() for t in self.outputs)

    def _run_reference(self, inputs: Inputs) -> tuple[torch.Tensor, ...]:
        place = self.truths.device
        if place is None:
            return self.problem.run(inputs.map(lambda _, t: t.clone()))  # a reference may change what it is given
        with torch.no_grad():
            return tuple(o.cpu() for o in self.problem.run(inputs.map(lambda _, t: t.to(place))))

    def _refuse_what_does_not_fit(self, input_bytes: int) -> None:
        """The timed inputs, a copy of each for the parent, and float64 truths with their scratch, must fit memory."""
        output_bytes = self._output_bytes
        needed = {"this machine": 2 * (_CONTENTS + 1) * input_bytes + 16 * (input_bytes + output_bytes)}
        there = {"this machine": available_memory_bytes()}
        if self.device.kind == "cuda":
            needed["this GPU"] = (2 * _CONTENTS + 1) * input_bytes + 8 * (input_bytes + output_bytes)
            there["this GPU"] = self.device.memory_bytes
        for name, bytes_ in needed.items():
            if bytes_ > there[name]:
                raise CannotDo(
                    f"{self.problem.name} at {self.workload.name} needs about {bytes_ / 2**30:.1f} GiB to be judged, "
                    f"and {name} has {there[name] / 2**30:.1f} GiB: choose a smaller workload"
                )

    def _copy_s(self) -> float:
        """What it takes this process to copy the content of one call, which is in no cache."""
        rooms = [torch.empty_like(t) for t in self._contents[0].tensors().values()]
        times_s = []
        for content in self._contents * 2:
            begun = time.perf_counter()
            for room, tensor in zip(rooms, content.tensors().values(), strict=True):
                room.copy_(tensor)
            times_s.append(time.perf_counter() - begun)
        return min(times_s)

    def _draw_unseen(self) -> Inputs:
        drawn = self.problem.make_inputs(self.workload, secrets.randbits(62))
        return Inputs(drawn.args, self._contents[0].state, self._contents[0].init)

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


def _clean(outcome: Outcome) -> bool:
    """Whether a call left everything but its outputs alone."""
    aliases = any(m.aliases or m.aliases_outputs for m in outcome.metas)
    return not (outcome.mutated or outcome.out_of_bounds or aliases) and outcome.stable


def _same_outputs(a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(same_bytes(x, y) for x, y in zip(a, b, strict=True))
