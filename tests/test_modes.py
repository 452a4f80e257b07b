"""What a benchmark measures beside the time: data in a cache, plain launches, energy; on a GPU that is stood in for."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tilewright.candidate import CandidateError, Status
from tilewright.child import replay
from tilewright.child.outcome import TimedBlock
from tilewright.measure import modes
from tilewright.measure.energy import EnergyMeter, watts_of
from tilewright.measure.gpu import GpuNotes
from tilewright.problem import Inputs, Problem, Workload

PROBLEM = Problem(
    name="wait",
    reference=lambda x: x + 1,
    inputs=lambda w, g: Inputs({"x": torch.randn(64, generator=g)}),
    workloads=(Workload(name="small"),),
)
INPUTS = [PROBLEM.make_inputs(PROBLEM.workloads[0], seed) for seed in range(3)]
CALL_S = 1e-4


class Replayed:
    """A session on a GPU whose calls take `CALL_S`, or what `calls_s(eager, replays)` says; `slower` is the parent's
    clock over that of the child."""

    def __init__(
        self, calls_s: Callable[[bool, int], Sequence[float]] | None = None, slower: float = 1.0, kernels: int = 3
    ) -> None:
        self.child = SimpleNamespace(gpu=0)
        self.calls_s = calls_s or (lambda eager, replays: [CALL_S] * replays)
        self.slower, self.started = slower, kernels
        self.given: list[list[Inputs]] = []
        self.schedule: Sequence[int] = [0, 1, 2]
        self.captured = 0

    def rest(self, seconds: float) -> None:
        pass

    def rerun(
        self, inputs: Sequence[Inputs], replays: int, *, eager: bool = False, patience_s: float = 0
    ) -> TimedBlock:
        self.given.append(list(inputs))
        return self.block(inputs, self.calls_s(eager, replays), self.schedule)

    def time(self, inputs: Sequence[Inputs], schedule: Sequence[int], **how: Any) -> TimedBlock:
        self.given.append(list(inputs))
        self.captured, self.schedule = self.captured + 1, schedule
        return self.block(inputs, self.calls_s(False, how["replays"]), schedule)

    def again(self, inputs: Sequence[Inputs]) -> tuple[Any, float]:
        return SimpleNamespace(content=inputs[self.schedule[-1]]), CALL_S

    def kernels(self) -> list[tuple[str, float, float]]:
        return [("k", 0.0, 1e-6)] * self.started

    def block(self, inputs: Sequence[Inputs], calls_s: Sequence[float], schedule: Sequence[int]) -> TimedBlock:
        claimed_s = sum(calls_s) * len(schedule)
        read = lambda: SimpleNamespace(content=inputs[schedule[-1]])  # noqa: E731
        return TimedBlock(
            tuple(calls_s), tuple(schedule), claimed_s, self.slower * claimed_s, True, schedule[-1], read, "graph",
            host_s=1e-5,
        )  # fmt: skip

    @property
    def output_bytes(self) -> int:
        return 256


class Graphs:
    """What the child uses of torch.cuda; a replay of a graph is counted, and takes no time."""

    def __init__(self) -> None:
        self.replays = 0
        self.Stream = lambda: None
        self.stream = self.graph = lambda *_, **__: nullcontext()
        self.synchronize = lambda: None
        self.CUDAGraph = lambda: SimpleNamespace(replay=self.count)
        self.Event = lambda enable_timing: SimpleNamespace(record=lambda: None, elapsed_time=lambda other: 0.5)

    def count(self) -> None:
        self.replays += 1


@pytest.mark.parametrize("keep", [True, False])
def test_plain_launches_are_asked_for_one_run_at_a_time(keep: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, called = Graphs(), []
    monkeypatch.setattr(replay, "torch", SimpleNamespace(cuda=cuda))
    block = replay.Replay(lambda x: called.append(x) or x, [[1], [2]], 1, keep)
    captured = len(called)
    block.get_ready(3, eager=True)
    block.run(3, eager=True)
    assert called[captured:] == [1, 2] * 4 and cuda.replays == 1  # one burst ahead, and one replay when captured
    assert len(block.samples_s()) == 3
    block.run(5)
    assert len(called) == captured + 8 and cuda.replays == 6
    assert block.samples_s() == [0.25e-3] * 5
    assert (block.last, len(block._results)) == (2, 2 if keep else 1)


def first_block(session: Replayed) -> TimedBlock:
    return session.block(INPUTS, [CALL_S], [0, 1, 2])


def inspect(slot: int, outcome: Any) -> None:
    """What was run on, is what the parent believes to lie there."""
    assert outcome.content is INPUTS[slot]


def test_plain_launches_are_timed_on_contents_that_change_places() -> None:
    session = Replayed(lambda eager, replays: [3 * CALL_S if eager else CALL_S] * replays)
    found = modes.eagerly(session, INPUTS, first_block(session), CALL_S, inspect)  # type: ignore[arg-type]
    assert found["eager_s"] == pytest.approx(3 * CALL_S) and len(found["eager_ci_s"]) == 2
    known: list[Inputs] = INPUTS
    for given in session.given:
        assert all(a is not b for a, b in zip(known, given, strict=True))
        known = given


def test_who_keeps_results_between_plain_launches_is_refused() -> None:
    session = Replayed(lambda eager, replays: [CALL_S] + [CALL_S / 10] * (replays - 1))
    with pytest.raises(CandidateError, match="keeps results") as failure:
        modes.eagerly(session, INPUTS, first_block(session), CALL_S, inspect)  # type: ignore[arg-type]
    assert failure.value.status is Status.REWARD_HACK


@pytest.mark.parametrize(("watts", "joules"), [(400, 400 * 0.1 / 3), (0, None)])
def test_energy_is_of_the_time_under_load(watts: int, joules: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.perf_counter()

    class State:
        def __init__(self, gpu: int) -> None:
            pass

        @property
        def energy_j(self) -> float:
            return watts * round(time.perf_counter() - begun, 2)

    def calls_s(eager: bool, replays: int) -> Sequence[float]:
        time.sleep(0.3)
        return [0.1 / 3] * 3

    monkeypatch.setattr(modes, "ClockState", State)
    session = Replayed(calls_s)
    found = modes.under_load(session, INPUTS, first_block(session), CALL_S, inspect)  # type: ignore[arg-type]
    assert found["sustained_s"] == pytest.approx(0.1 / 3)
    assert found["energy_j"] == (pytest.approx(joules, rel=0.1) if joules else None)


@pytest.mark.parametrize(("takes_s", "said"), [(CALL_S, {"sustained_s", "energy_j"}), (CALL_S / 3, set())])
def test_load_is_judged_and_may_not_leave_work_out(
    takes_s: float, said: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modes, "ClockState", lambda gpu: SimpleNamespace(energy_j=None))
    session, judged = Replayed(lambda eager, replays: [takes_s] * replays), []

    def look(slot: int, outcome: Any) -> None:
        inspect(slot, outcome)
        judged.append(slot)

    with modes.unless_disturbed():
        found = modes.under_load(session, INPUTS, first_block(session), CALL_S, look)  # type: ignore[arg-type]
        assert set(found) == said
    assert judged == [0] and session.given[0][0] is INPUTS[1]


def test_power_is_known_between_two_moves_of_the_counter() -> None:
    assert watts_of([(1.0, 100.0), (1.1, 150.0), (1.2, 240.0)]) == pytest.approx(700.0)
    assert watts_of([(1.0, 100.0), (1.1, 170.0)]) is None
    with EnergyMeter(lambda: None) as meter:
        pass
    assert meter.watts(0.0, 1.0) is None


def test_what_the_parent_does_not_bear_out_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilewright.measure.clock._PATIENCE_S", 0.0)
    session = Replayed(slower=2.0)
    assert modes.launched(session, INPUTS, first_block(session), CALL_S, inspect) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize("kernels", [3, 1])
def test_who_starts_fewer_kernels_on_inputs_that_return_is_refused(kernels: int) -> None:
    session = Replayed()
    notes = GpuNotes(session)  # type: ignore[arg-type]
    notes.look_at_kernels(3, CALL_S)
    session.started = kernels
    with nullcontext() if kernels == 3 else pytest.raises(CandidateError, match="keeps results"):
        notes.refuse_kept_results(3)


def test_a_warm_block_is_captured_once_and_judged() -> None:
    session = Replayed()
    notes = GpuNotes(session)  # type: ignore[arg-type]
    found = modes.warmly(session, INPUTS[:2], CALL_S, notes, random.Random(0), inspect)  # type: ignore[arg-type]
    assert found["warm_s"] == CALL_S and session.captured == 1
    assert all(a is b for given in session.given for a, b in zip(given, INPUTS[:2], strict=True))
