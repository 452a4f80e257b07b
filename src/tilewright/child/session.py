"""A child with one candidate loaded: call it and see what it did, or time it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from ..candidate import Candidate, CandidateError, Status
from ..problem import Inputs, Problem
from .answers import OutputMeta, count_of, failure_of, kernels_of, metas_of, result_of, seconds_of, written_of
from .arena import Region
from .outcome import Outcome, TimedBlock, replayed, shares_input
from .places import Placed, Places
from .process import SLEEPY_S, Child, Limits
from .room import STAMPS, Room, arena_bytes, room_for
from .tensors import layout, same_bytes
from .watch import Excuse, Watch

_AGAIN = 4  # runs of a block on exchanged inputs: the first one starts from rest
_EARLY, _EARLY_BYTES = 3, 256 << 20  # results that are held to the end


class Session:
    """One candidate in one child. `expected` are the shapes and dtypes of the reference's outputs."""

    def __init__(self, child: Child, candidate: Candidate, problem: Problem, room: Room):
        self.child = child
        self.candidate = candidate
        self.problem = problem
        self.sandbox = child.sandbox
        self._called = False
        self._previous: Outcome | None = None
        self._early: list[Outcome] = []
        self._early_most = max(1, min(_EARLY, _EARLY_BYTES // max(1, room.parts * room.usual_bytes)))
        self._mark = child.arena.mark()
        try:
            self._stamps = child.arena.take(8 * (STAMPS + 1))
            self._room = room
            self._places = Places(child.arena, room, child.gpu)
            # As they are without a candidate.
            self._latency_s, self._wake_s, self._worker = child.latency_s, child.wake_s, child.worker
            self.hand_over_s = child.hand_over_s
            start = time.perf_counter()
            limit_s = child.limits.load_s_of(candidate.source)
            what = {"source": candidate.source, "entry": candidate.entry, "kind": candidate.kind}
            child.ask("load", limit_s, outputs=list(problem.outputs), **what)
            self.load_s = time.perf_counter() - start
        except BaseException:  # the child may go on with the next candidate, which needs the room
            child.arena.release(self._mark)
            raise

    @property
    def output_bytes(self) -> int:
        """At least the bytes of one call's outputs."""
        return (self._room.parts - 1) * self._room.part_bytes

    def close(self) -> None:
        """Give the arena back and let go of the child, which stays alive for the next candidate."""
        self._places.clear()
        self._previous = None
        if self.child.alive:
            self.child.arena.release(self._mark)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(
        self,
        inputs: Inputs,
        *,
        grads: Sequence[str] = (),
        grad_outputs: Sequence[torch.Tensor] = (),
        poison: bool = False,
        slot: int = 0,
    ) -> Outcome:
        """Call the candidate once on `inputs`, placed at the addresses of `slot`, and return what it did."""
        placed = self._places.place(inputs, slot)
        fields: dict[str, Any] = {"inputs": placed.description, "grads": list(grads), "poison": poison}
        fields["early"] = self._early_most
        mark = self.child.arena.mark()
        try:
            seeds = [self._places.put(f"grad_outputs.{i}", g) for i, g in enumerate(grad_outputs)]
            regions = self._places.regions()
            fields |= {"grad_outputs": [d for d, _, _ in seeds], "regions": regions}
            fields["grad_regions"] = self._places.grad_regions(inputs, grads)
            self.child.arena.settle()
            answer = self.child.ask("call", self._patience(), **fields)
            outcome = self._outcome(answer, placed, regions, grads, fields["grad_regions"])
        finally:
            self.child.arena.release(mark)
        before = self._previous
        if before is not None and not shares_input(before) and not self._still_holds(before):
            outcome = Outcome(**{**outcome.__dict__, "stable": False})
        self._previous = outcome
        if len(self._early) < self._early_most:
            self._early.append(outcome)
        return outcome

    def time(
        self,
        inputs: Sequence[Inputs],
        schedule: Sequence[int],
        *,
        warm: int = 1,
        stop_after_s: float = 1e9,
        replays: int = 1,
        late: Mapping[int, Inputs] | None = None,
        kept: int | None = None,
        fresh_outputs: bool = True,
    ) -> TimedBlock:
        """Time one call per entry of `schedule`, each an index into `inputs` (at its own addresses). The block ends
        early, after a whole call, once `stop_after_s` seconds have passed. On a GPU the block is run `replays` times
        as a whole instead.

        The child says when it has prepared and warmed up. Only then are the contents `late` written to their slots,
        the parent's clock started, and, except on a GPU, the schedule told: nothing can be done ahead of the clock.

        With `kept`, a place in the schedule, the results of all calls lie in the shared memory at `answered_s`, and
        `outcome` is what then lay there of that call. There must be room for them (`keeps`). Not on a GPU.

        Without `fresh_outputs` the calls of a block on a GPU write where the one before the last did, as on a CPU."""
        if len(schedule) > STAMPS:
            raise ValueError(f"a block has at most {STAMPS} calls, not {len(schedule)}")
        late = {slot: c for slot, c in (late or {}).items() if layout(c) == layout(inputs[slot])} if late else {}
        placed = self._places.all_at_once(inputs)
        regions, mark = self._places.regions(), self.child.arena.mark()
        each = self._places.regions_of_each(len(schedule)) if kept is not None else []
        assert kept is None or each, "no room for all results"
        self._previous = None
        patience = self._patience() * 2 + self.child.limits.call_s
        self.child.arena.settle()
        on_gpu = self.child.gpu is not None
        self.child.tell(
            "time", slots=[p.description for p in placed], warm=warm, stamps=self._stamps.offset, regions=regions,
            each=each, schedule=list(schedule) if on_gpu else [],  # a graph is captured before the clock runs
            keep=fresh_outputs,
        )  # fmt: skip
        self._note("prepared", patience)
        for slot, content in (late or {}).items():
            self._places.rewrite(placed[slot], content)
        self.child.arena.settle()
        watch, excuse = Watch(), Excuse(None if on_gpu else self._worker)
        # A byte per call: long lists take as long to write and read as some calls take.
        compact = "" if on_gpu else bytes(schedule).hex()
        go = {"replays": replays} if on_gpu else {"schedule": compact, "stop_after_ns": int(stop_after_s * 1e9)}
        self.child.tell("go", **go)
        ended = self._note("ended", patience)
        parent_s, told_ns = watch.spent_s(), time.perf_counter_ns()
        excuse.stop()
        then: list[torch.Tensor] = []
        if kept is not None:
            self._note("handed", patience)
            answered_s, then = watch.spent_s(), self._bytes_of(each[kept])
        answer = self.child.answer(self.child.limits.call_s)
        answered_s = answered_s if then else watch.spent_s()
        if on_gpu:
            self._last_block = (placed, tuple(schedule), regions)
            read = self._later(answer, placed[schedule[-1]], regions)
            block = replayed(answer, replays, len(schedule), parent_s, schedule, read)
            return replace(block, latency_s=self._latency_s, answered_s=answered_s)
        done = count_of(answer, "done")
        if not 1 <= done <= len(schedule) or ended.get("done") != done:
            raise CandidateError(Status.TIMING_INCONSISTENT, "the child miscounted its timed calls")
        stamps = self.child.arena.view(self._stamps, torch.int64, (done + 1,)).tolist()
        calls = tuple((b - a) / 1e9 for a, b in zip(stamps, stamps[1:], strict=False))
        if kept is not None and done == len(schedule):
            last = schedule[kept]
            read = self._later(result_of(answer, kept), placed[last], each[kept], then)
        else:
            last, read = schedule[done - 1], self._later(answer, placed[schedule[done - 1]], regions)
        self.child.arena.release(mark)
        claimed_s = (stamps[-1] - stamps[0]) / 1e9
        parent_s -= min(excuse.of(claimed_s, self.child.threads), max(0.0, parent_s - claimed_s))
        inside = watch.begun_ns <= stamps[0] and stamps[-1] <= told_ns and min(calls) > 0
        return TimedBlock(
            calls, tuple(schedule[:done]), claimed_s, parent_s, inside, last, read,
            latency_s=self._latency_s + self._wake_s * (claimed_s >= SLEEPY_S), answered_s=answered_s,
        )  # fmt: skip

    def keeps(self, inputs: Sequence[Inputs], calls: int) -> bool:
        """Whether there is room for the results of so many calls beside `inputs`."""
        self._places.all_at_once(inputs)
        mark = self.child.arena.mark()
        regions = self._places.regions_of_each(calls)
        self.child.arena.release(mark)
        return len(regions) == calls

    def rest(self, seconds: float) -> None:
        """Wait until the child has rested for so long. What this process did since it answered counts, except on a GPU,
        which results are judged on."""
        start = time.perf_counter()
        passed_s = 0.0 if self.child.gpu is not None else start - self.child.heard_s
        if passed_s < seconds:
            time.sleep(seconds - passed_s)
            self.child.rested_s += time.perf_counter() - start

    def again(self, inputs: Sequence[Inputs]) -> tuple[Outcome, float]:
        """Write other `inputs`, of the same layout, to the slots of the last timed block, run that block again exactly
        as it was captured, and return the result of its last call, and the least seconds per call of a run. A candidate
        that does not compute in what is timed, gives an old result. Only on a GPU, after `time`."""
        placed, schedule, regions = self._last_block
        last = placed[schedule[-1]]
        self._exchange(placed, inputs)
        answer = self.child.ask("again", self._patience(), inputs=last.description, regions=regions, replays=_AGAIN)
        return self._outcome(answer, last, regions, (), []), seconds_of(answer.get("sample_s"))

    def rerun(
        self, inputs: Sequence[Inputs], replays: int, *, eager: bool = False, patience_s: float = 0.0
    ) -> TimedBlock:
        """Time the last timed block again, `replays` times as a whole, on `inputs` of the same layout, which are
        written to its slots when the child has said that it is ready. With `eager` its calls are plain launches.
        `patience_s` is how long that may take beyond the usual. Only on a GPU, after `time`."""
        placed, schedule, regions = self._last_block
        last = placed[schedule[-1]]
        patience = self._patience() * 2 + patience_s
        self.child.arena.settle()
        self.child.tell("rerun", inputs=last.description, regions=regions, eager=eager, replays=replays)
        self._note("prepared", patience)
        self._exchange(placed, inputs)
        watch = Watch()
        self.child.tell("go", replays=replays)
        self._note("ended", patience)
        parent_s = watch.spent_s()
        answer = self.child.answer(self.child.limits.call_s)
        block = replayed(answer, replays, len(schedule), parent_s, schedule, self._later(answer, last, regions))
        return replace(block, latency_s=self._latency_s, answered_s=watch.spent_s())

    def _exchange(self, placed: Sequence[Placed], inputs: Sequence[Inputs]) -> None:
        for old, new in zip(placed, inputs, strict=True):
            if old.inputs is not new:
                self._places.rewrite(old, new)
        self.child.arena.settle()

    def kernels(self) -> list[tuple[str, float, float]]:
        """Name, start and duration in seconds of all device work of the last timed block, on every stream, by CUPTI in
        the child. Only on a GPU, right after `time`."""
        return kernels_of(self.child.ask("kernels", self.child.limits.first_call_s))

    def proof(self) -> Any:
        """What the candidate's `proof()` says of itself, or None. For baselines of ours, never for a verdict."""
        return self.child.ask("proof", self.child.limits.call_s).get("proof")

    def _later(
        self, answer: dict[str, Any], placed: Placed, regions: list[list[int]], then: Sequence[torch.Tensor] = ()
    ) -> Callable[[], Outcome]:
        """The outcome that lies in the arena now, or that lay there `then`, to be read as long as the child has not
        been asked again."""
        asked = self.child.asked

        def read() -> Outcome:
            assert asked == self.child.asked, "another request has overwritten this result"
            for region, bytes_ in zip(regions, then, strict=False):
                self.child.arena.view(Region(*region), torch.uint8, (region[1],)).copy_(bytes_)
            return self._outcome(answer, placed, regions, (), [])

        return read

    def _bytes_of(self, regions: list[list[int]]) -> list[torch.Tensor]:
        """A copy of what lies there now: a child could go on writing after it said that it has."""
        return [self.child.arena.view(Region(*r), torch.uint8, (r[1],)).clone() for r in regions]

    def _outcome(
        self,
        answer: dict[str, Any],
        placed: Placed,
        regions: list[list[int]],
        grads: Sequence[str],
        grad_regions: list[list[int]],
    ) -> Outcome:
        metas, written = metas_of(answer), written_of(answer)
        outputs = tuple(self._read(m, w, r) for m, w, r in zip(metas, written, regions, strict=False))
        outputs += (torch.empty(0),) * (len(metas) - len(outputs))
        grad_metas = metas_of(answer, "grad_metas")
        found = {n: self._read(m, 0, r) for n, m, r in zip(grads, grad_metas, grad_regions, strict=False)}
        outside = tuple(p for p, r in placed.regions.items() if not self.child.arena.guards_hold(r))
        mutated = tuple(p for p, v in placed.views.items() if not same_bytes(v, placed.own[p]))
        changed = {p: placed.views[p].clone() for p in mutated}
        for path in {*outside, *mutated}:  # the next call starts from clean memory
            self.child.arena.mend_guards(placed.regions[path])
            placed.views[path].copy_(placed.own[path])
        own_backward = answer.get("own_backward") is True
        return Outcome(outputs, metas, mutated, outside, found, changed=changed, own_backward=own_backward)

    def _read(self, meta: OutputMeta, written: int, region: list[int], copy: bool = True) -> torch.Tensor:
        dtype = meta.read_as
        if dtype is None or written < 0:
            return torch.empty(0)
        size = dtype.itemsize
        for n in meta.shape:
            size *= n
        if size > region[1]:
            return torch.empty(0)
        found = self.child.arena.view(Region(region[0], region[1]), dtype, meta.shape)
        return found.clone() if copy else found

    @property
    def first_outputs(self) -> tuple[torch.Tensor, ...]:
        """What the first call of all returned, if it left everything else alone; () before it."""
        clean = self._early and not (self._early[0].mutated or self._early[0].out_of_bounds)
        return self._early[0].outputs if clean else ()

    def early_results_hold(self) -> bool:
        """Whether the results of the first calls of all are what they were then. Those that share memory with an input
        are not looked at."""
        early = [(i, o) for i, o in enumerate(self._early) if not shares_input(o)]
        return all(self._still_holds(outcome, i) for i, outcome in early)

    def _still_holds(self, before: Outcome, early: int | None = None) -> bool:
        regions = self._places.regions()
        self.child.ask("previous", self.child.limits.call_s, regions=regions, early=early)
        for kept, meta, region in zip(before.outputs, before.metas, regions, strict=False):
            if kept.numel() and not same_bytes(self._read(meta, 0, region, copy=False), kept):
                return False
        return True

    def _note(self, name: str, timeout_s: float) -> dict[str, Any]:
        message = self.child.note(timeout_s)
        if name not in message:
            if "error" in message:
                raise failure_of(message["error"])
            self.child.kill()
            raise CandidateError(Status.REWARD_HACK, "the child answered out of turn")
        return message

    def _patience(self) -> float:
        """Seconds to wait for a call; the first one may compile."""
        limits = self.child.limits
        patience = limits.call_s if self._called else limits.first_call_s_of(self.candidate.source)
        self._called = True
        return patience


def open_session(
    candidate: Candidate,
    problem: Problem,
    calls: Sequence[Inputs],
    outputs: Sequence[torch.Tensor],
    *,
    limits: Limits | None = None,
    sandbox: str = "auto",
    interpret: bool = False,
    threads: int | None = None,
    gpu: int | None = None,
) -> Session:
    """Start a fresh child, load `candidate`, and return the session. `calls` are inputs it must have room for, and
    `outputs` results of the reference, for their sizes. The caller closes `session.child` too."""
    child = Child(
        arena_bytes(calls, outputs), limits=limits, sandbox=sandbox, interpret=interpret, threads=threads, gpu=gpu
    )
    try:
        return Session(child, candidate, problem, room_for(outputs))
    except BaseException:
        child.close()
        raise
