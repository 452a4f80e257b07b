"""A child with one candidate loaded: call it and see what it did, or time it."""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ..candidate import Candidate, CandidateError, Status
from ..problem import Inputs, Problem
from .answers import OutputMeta, count_of, failure_of, kernels_of, metas_of, plain, result_of, seconds_of, written_of
from .arena import ArenaFull, Region, span_bytes
from .process import SLEEPY_S, Child, Limits
from .values import described
from .watch import Excuse, Watch

_STAMPS = 4096  # the longest timed block, in calls
_SPARE_BYTES = 32 << 20
_AGAIN = 4  # runs of a block on exchanged inputs: the first one starts from rest
_LARGE_BYTES = 4 << 20
_compare = ctypes.CDLL(None).memcmp
_compare.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_KEPT_BYTES = 512 << 20
_EARLY, _EARLY_BYTES = 3, 256 << 20  # results that are held to the end
_INDEX_BYTES, _FREE_BYTES = 16, 64 << 20  # two indices per element, as of x.nonzero()
_NOTICE_S = 0.002  # the child is at work already when the parent learns that it has begun


@dataclass(frozen=True)
class Outcome:
    """What one call did. `outputs` are the parent's own copies, packed, in the kind of memory that the arena has; an
    entry is an empty tensor where nothing of the expected size came back (the meta says what came instead). `mutated`
    and `out_of_bounds` name inputs whose content or guard bands changed; `stable` is False if this call changed the
    results of the call before, and `changed` holds what `mutated` inputs came to."""

    outputs: tuple[torch.Tensor, ...]
    metas: tuple[OutputMeta, ...]
    mutated: tuple[str, ...] = ()
    out_of_bounds: tuple[str, ...] = ()
    grads: dict[str, torch.Tensor] = field(default_factory=dict)
    stable: bool = True
    changed: dict[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class TimedBlock:
    """A block of timed calls. `calls_s` are the child's claims, of each call, or on a GPU the mean of each replay of
    the block; `claimed_s` spans all of them; `parent_s` is the parent's clock over it, less what the parent itself
    waited for a processor, of which an empty block takes `latency_s`; `answered_s` goes on until the result of the
    last call, or of all of them, lay in the shared memory; `inside` says whether all stamps lie between asking and
    being told. `outcome` is a result, of the call on slot `last_slot`, read when it is first asked for, which must be
    before the child is asked for anything else. `mode` is "calls", "graph" or "burst" (child.replay), and `host_s`
    what the host needs to start one call on a GPU."""

    calls_s: tuple[float, ...]
    slots: tuple[int, ...]
    claimed_s: float
    parent_s: float
    inside: bool
    last_slot: int
    read: Callable[[], Outcome]
    mode: str = "calls"
    why: str = ""
    host_s: float = 0.0
    latency_s: float = 0.0
    answered_s: float = 0.0

    @functools.cached_property
    def outcome(self) -> Outcome:
        return self.read()


@dataclass
class _Placed:
    """Inputs that lie in the arena: their wire description and the parent's own copy of every tensor."""

    description: dict[str, Any]
    regions: dict[str, Region]
    views: dict[str, torch.Tensor]
    own: dict[str, torch.Tensor]
    inputs: Inputs


class Session:
    """One candidate in one child. `expected` are the shapes and dtypes of the reference's outputs."""

    def __init__(self, child: Child, candidate: Candidate, problem: Problem, room: Room):
        self.child = child
        self.candidate = candidate
        self.problem = problem
        self.sandbox = child.sandbox
        self._called = False
        self._slots: dict[int, _Placed] = {}
        self._previous: Outcome | None = None
        self._early: list[Outcome] = []
        self._early_most = max(1, min(_EARLY, _EARLY_BYTES // max(1, room.parts * room.usual_bytes)))
        self._modules: list[tuple[dict[str, torch.Tensor], tuple[Any, ...]]] = []
        self._copies: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._mark = child.arena.mark()
        try:
            self._stamps = child.arena.take(8 * (_STAMPS + 1))
            self._room = room
            self._out = child.arena.take(room.parts * room.part_bytes)
            self._base = child.arena.mark()
            # As they are without a candidate.
            self._latency_s, self._wake_s, self._worker = child.latency_s, child.wake_s, child.worker
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
        self._slots.clear()
        self._copies.clear()
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
        placed = self.place(inputs, slot)
        fields: dict[str, Any] = {"inputs": placed.description, "grads": list(grads), "poison": poison}
        fields["early"] = self._early_most
        mark = self.child.arena.mark()
        try:
            seeds = [self._put(f"grad_outputs.{i}", g) for i, g in enumerate(grad_outputs)]
            regions = self._regions()
            fields |= {"grad_outputs": [d for d, _, _ in seeds], "regions": regions}
            fields["grad_regions"] = self._grad_regions(inputs, grads)
            self.child.arena.settle()
            answer = self.child.ask("call", self._patience(), **fields)
            outcome = self._outcome(answer, placed, regions, grads, fields["grad_regions"])
        finally:
            self.child.arena.release(mark)
        before = self._previous
        if before is not None and not _shares_input(before) and not self._still_holds(before):
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
    ) -> TimedBlock:
        """Time one call per entry of `schedule`, each an index into `inputs` (at its own addresses). The block ends
        early, after a whole call, once `stop_after_s` seconds have passed. On a GPU the block is run `replays` times
        as a whole instead.

        The child says when it has prepared and warmed up. Only then are the contents `late` written to their slots,
        the parent's clock started, and, except on a GPU, the schedule told: nothing can be done ahead of the clock.

        With `kept`, a place in the schedule, the results of all calls lie in the shared memory before `answered_s`, and
        `outcome` is the one of that call; where there is no room for all, of the last call. Not on a GPU."""
        if len(schedule) > _STAMPS:
            raise ValueError(f"a block has at most {_STAMPS} calls, not {len(schedule)}")
        late = {slot: c for slot, c in (late or {}).items() if _layout(c) == _layout(inputs[slot])} if late else {}
        placed = [self.place(one, slot) for slot, one in enumerate(inputs)]
        if any(self._slots.get(slot) is not p for slot, p in enumerate(placed)):  # room was made on the way
            placed = [self.place(one, slot) for slot, one in enumerate(inputs)]
        regions, mark = self._regions(), self.child.arena.mark()
        each = self._regions_of_each(len(schedule)) if kept is not None else []
        self._previous = None
        patience = self._patience() * 2 + self.child.limits.call_s
        self.child.arena.settle()
        on_gpu = self.child.gpu is not None
        self.child.tell(
            "time", slots=[p.description for p in placed], warm=warm, stamps=self._stamps.offset, regions=regions,
            each=each, schedule=list(schedule) if on_gpu else [],  # a graph is captured before the clock runs
        )  # fmt: skip
        self._note("prepared", patience)
        for slot, content in (late or {}).items():
            self._rewrite(placed[slot], content)
        self.child.arena.settle()
        watch, excuse = Watch(), Excuse(None if on_gpu else self._worker)
        # A byte per call: long lists take as long to write and read as some calls take.
        compact = "" if on_gpu else bytes(schedule).hex()
        go = {"replays": replays} if on_gpu else {"schedule": compact, "stop_after_ns": int(stop_after_s * 1e9)}
        self.child.tell("go", **go)
        ended = self._note("ended", patience)
        parent_s, told_ns = watch.spent_s(), time.perf_counter_ns()
        excuse.stop()
        answer = self.child.answer(self.child.limits.call_s)
        answered_s = watch.spent_s()
        if on_gpu:
            self._last_block = (placed, schedule[-1], regions)
            read = self._later(answer, placed[schedule[-1]], regions)
            block = _replayed(answer, replays, len(schedule), parent_s, schedule, read)
            return replace(block, latency_s=self._latency_s, answered_s=answered_s)
        done = count_of(answer, "done")
        if not 1 <= done <= len(schedule) or ended.get("done") != done:
            raise CandidateError(Status.TIMING_INCONSISTENT, "the child miscounted its timed calls")
        stamps = self.child.arena.view(self._stamps, torch.int64, (done + 1,)).tolist()
        calls = tuple((b - a) / 1e9 for a, b in zip(stamps, stamps[1:], strict=False))
        if each and kept is not None and done == len(schedule):
            last, read = schedule[kept], self._later(result_of(answer, kept), placed[schedule[kept]], each[kept])
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
        placed, slot, regions = self._last_block
        for old, new in zip(placed, inputs, strict=True):
            self._rewrite(old, new)
        self.child.arena.settle()
        answer = self.child.ask(
            "again", self._patience(), inputs=placed[slot].description, regions=regions, replays=_AGAIN
        )
        return self._outcome(answer, placed[slot], regions, (), []), seconds_of(answer.get("sample_s"))

    def kernels(self) -> list[tuple[str, float, float]]:
        """Name, start and duration in seconds of all device work of the last timed block, on every stream, by CUPTI in
        the child. Only on a GPU, right after `time`."""
        return kernels_of(self.child.ask("kernels", self.child.limits.first_call_s))

    def proof(self) -> Any:
        """What the candidate's `proof()` says of itself, or None. For baselines of ours, never for a verdict."""
        return self.child.ask("proof", self.child.limits.call_s).get("proof")

    def place(self, inputs: Inputs, slot: int) -> _Placed:
        """Write `inputs` to the addresses of `slot`; inputs that already lie there are not written again."""
        placed = self._slots.get(slot)
        if placed is not None and placed.inputs is inputs:
            return placed
        if placed is not None and _layout(placed.inputs) == _layout(inputs):
            self._rewrite(placed, inputs)
            return placed
        try:
            self._slots[slot] = self._place_new(inputs)
        except ArenaFull:
            self._slots.clear()
            self._copies.clear()
            self.child.arena.release(self._base)
            self._slots[slot] = self._place_new(inputs)
        return self._slots[slot]

    def _place_new(self, inputs: Inputs) -> _Placed:
        placed = _Placed({}, {}, {}, {}, inputs)

        def lay(path: str, tensor: torch.Tensor) -> list[Any]:
            description, region, view = self._put(path, tensor)
            placed.regions[path], placed.views[path] = region, view
            placed.own[path] = self._own(tensor, view)
            return description

        placed.description = {
            "args": {k: described(f"args.{k}", v, lay) for k, v in inputs.args.items()},
            "state": {k: described(f"state.{k}", v, lay) for k, v in inputs.state.items()},
            "init": [described(f"init.{i}", v, lay) for i, v in enumerate(inputs.init)],
            "made_of": self._made_of(inputs),
        }
        return placed

    def _put(self, path: str, tensor: torch.Tensor) -> tuple[list[Any], Region, torch.Tensor]:
        shape, stride = tuple(tensor.shape), tuple(tensor.stride())
        span = span_bytes(shape, stride, tensor.element_size())
        region = self.child.arena.take(span)
        view = self.child.arena.view(region, tensor.dtype, shape, stride)
        self._write(view, tensor)
        dtype = str(tensor.dtype).removeprefix("torch.")
        return [region.offset, span, dtype, list(shape), list(stride)], region, view

    def _write(self, view: torch.Tensor, tensor: torch.Tensor) -> None:
        """Candidates of one problem are given the same contents at the same addresses: most of it lies there already,
        and to find that out takes a CPU a fraction of the time of writing it."""
        if self.child.gpu is not None or not same_bytes(view, tensor):
            view.copy_(tensor)

    def _own(self, tensor: torch.Tensor, view: torch.Tensor) -> torch.Tensor:
        """A copy that the child cannot reach, where the arena is, to compare with; one for all slots on a GPU."""
        if self.child.gpu is None:
            return tensor
        if id(tensor) not in self._copies:
            self._copies[id(tensor)] = (tensor, view.clone(memory_format=torch.preserve_format))
        return self._copies[id(tensor)][1]

    def _rewrite(self, placed: _Placed, inputs: Inputs) -> None:
        for path, tensor in flat(inputs).items():
            self._write(placed.views[path], tensor)
            placed.own[path] = self._own(tensor, placed.views[path])
        placed.inputs = inputs
        placed.description["made_of"] = self._made_of(inputs)

    def _made_of(self, inputs: Inputs) -> int:
        """A number for the weights and constructor arguments: the child makes a module for each, and no other."""
        for number, (state, init) in enumerate(self._modules):
            same_state = state is inputs.state or not (state or inputs.state)
            if same_state and (init is inputs.init or not (init or inputs.init)):
                return number
        self._modules.append((inputs.state, inputs.init))
        return len(self._modules) - 1

    def _regions(self) -> list[list[int]]:
        """Cut the output region into one part per output, each as large as the reference's largest."""
        part = self._room.part_bytes
        return [[self._out.offset + i * part, part] for i in range(self._room.parts)]

    def _regions_of_each(self, calls: int) -> list[list[list[int]]]:
        """For each call a region per output; none where the arena has no room for them."""
        bytes_ = self._room.usual_bytes
        try:
            taken = [[self.child.arena.take(bytes_) for _ in range(self._room.parts)] for _ in range(calls)]
        except ArenaFull:
            return []
        return [[[r.offset, r.bytes] for r in regions] for regions in taken]

    def _grad_regions(self, inputs: Inputs, grads: Sequence[str]) -> list[list[int]]:
        regions = []
        for name in grads:
            tensor = inputs.args[name] if name in inputs.args else inputs.state[name]
            region = self.child.arena.take(tensor.numel() * tensor.element_size())
            regions.append([region.offset, region.bytes])
        return regions

    def _later(self, answer: dict[str, Any], placed: _Placed, regions: list[list[int]]) -> Callable[[], Outcome]:
        """The outcome that lies in the arena now, to be read as long as the child has not been asked again."""
        asked = self.child.asked

        def read() -> Outcome:
            assert asked == self.child.asked, "another request has overwritten this result"
            return self._outcome(answer, placed, regions, (), [])

        return read

    def _outcome(
        self,
        answer: dict[str, Any],
        placed: _Placed,
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
        return Outcome(outputs, metas, mutated, outside, found, changed=changed)

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
        early = [(i, o) for i, o in enumerate(self._early) if not _shares_input(o)]
        return all(self._still_holds(outcome, i) for i, outcome in early)

    def _still_holds(self, before: Outcome, early: int | None = None) -> bool:
        regions = self._regions()
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


def _shares_input(outcome: Outcome) -> bool:
    """Whether a result lies where an input does, which the next call's inputs overwrite: if the reference's does too,
    that is no fault."""
    return any(m.aliases for m in outcome.metas)


def flat(inputs: Inputs) -> dict[str, torch.Tensor]:
    """Every tensor by path, those inside lists included."""
    found: dict[str, torch.Tensor] = {}

    def walk(path: str, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            found[path] = value
        elif isinstance(value, list | tuple):
            for i, item in enumerate(value):
                walk(f"{path}.{i}", item)
        elif isinstance(value, dict):
            walk(path, list(value.values()))

    for name, value in inputs.args.items():
        walk(f"args.{name}", value)
    for name, value in inputs.state.items():
        walk(f"state.{name}", value)
    for i, value in enumerate(inputs.init):
        walk(f"init.{i}", value)
    return found


def _replayed(
    answer: dict[str, Any],
    replays: int,
    calls: int,
    parent_s: float,
    schedule: Sequence[int],
    read: Callable[[], Outcome],
) -> TimedBlock:
    given = answer.get("samples_s")
    samples = [seconds_of(s) for s in given] if isinstance(given, list) else []
    if len(samples) != replays or min(samples) <= 0.0:
        raise CandidateError(Status.TIMING_INCONSISTENT, "the child miscounted its timed calls")
    claimed_s = sum(samples) * calls
    return TimedBlock(
        tuple(samples),
        tuple(schedule),
        claimed_s,
        parent_s,
        claimed_s <= parent_s + _NOTICE_S,
        schedule[-1],
        read,
        plain(answer.get("mode"), 20),
        plain(answer.get("why"), 200),
        seconds_of(answer.get("host_s", 0.0)),
    )


def _layout(inputs: Inputs) -> list[Any]:
    tensors = [(p, t.dtype, tuple(t.shape), tuple(t.stride())) for p, t in flat(inputs).items()]
    scalars = [described("", v, lambda *_: None) for v in (*inputs.args.values(), *inputs.init)]
    return [tensors, scalars]


def same_bytes(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors of one dtype hold the same bits, NaN included."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.device.type == b.device.type == "cpu" and a.is_contiguous() and b.is_contiguous():
        return _same_memory(a.data_ptr(), b.data_ptr(), a.numel() * a.element_size())
    integer = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}.get(a.element_size())
    if integer is None or a.is_complex():
        return bool(torch.equal(torch.view_as_real(a), torch.view_as_real(b)))
    return bool(torch.equal(a.view(integer), b.view(integer)))


def _same_memory(a: int, b: int, bytes_: int) -> bool:
    """Compare seven times as fast as torch, and large memory by two threads."""
    half = bytes_ // 2 if bytes_ >= _LARGE_BYTES else 0
    other = _second_thread().submit(_compare, a, b, half) if half else None
    same = _compare(a + half, b + half, bytes_ - half) == 0
    return same and (other is None or other.result() == 0)


@functools.cache
def _second_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "compare")


@dataclass(frozen=True)
class Room:
    """The output region: `parts` results of up to `part_bytes` each, though few have more than `usual_bytes`."""

    parts: int
    part_bytes: int
    usual_bytes: int


def room_for(outputs: Sequence[torch.Tensor], inputs: Inputs | None = None) -> Room:
    """Room for results like `outputs`, and for one more, each as large as the largest. With `inputs`, which are on a
    CPU, where memory that nobody touches is free, also for results that are longer on other values (x[x > 0])."""
    usual = largest = max((t.numel() * t.element_size() for t in outputs), default=0)
    if inputs is not None:
        longest = max((t.numel() for t in flat(inputs).values()), default=0)
        largest = max(largest, min(_INDEX_BYTES * longest, _FREE_BYTES))
    return Room(len(outputs) + 1, _pages(largest) + 4096, min(_pages(2 * usual), _pages(largest)) + 4096)


def _pages(bytes_: int) -> int:
    return -(-bytes_ // 4096) * 4096


def arena_bytes(calls: Sequence[Inputs], outputs: Sequence[torch.Tensor], room: Room | None = None) -> int:
    """Bytes of an arena that holds all `calls` at their own addresses, outputs, gradients and stamps."""
    tensors = [t for call in calls for t in flat(call).values()]
    placed = sum(span_bytes(tuple(t.shape), tuple(t.stride()), t.element_size()) + 4 * 4096 for t in tensors)
    largest = max((sum(t.numel() * t.element_size() for t in flat(c).values()) for c in calls), default=0)
    room = room or room_for(outputs)
    each = len(calls) * room.parts * (room.usual_bytes + 2 * 4096)  # of the calls of a block, where all are kept
    fixed = 3 * room.parts * room.part_bytes + 8 * _STAMPS + _SPARE_BYTES
    return placed + largest + fixed + (each if each <= _KEPT_BYTES else 0)


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
