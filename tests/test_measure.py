"""The clock: statistics that cover the truth, and time stamps that cannot lie."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from tilewright.candidate import Candidate, CandidateError, Status
from tilewright.child.process import Limits
from tilewright.child.session import Session, open_session
from tilewright.measure import Effort, compare, measure
from tilewright.measure.clock import run_block
from tilewright.measure.pace import Block, draw_schedule
from tilewright.measure.stats import are_uneven, halves_agree, median_interval, ratio_interval, typical
from tilewright.measure.timers import Timing, is_trusted
from tilewright.problem import Inputs, Problem, Workload

pytestmark = pytest.mark.timed

PROBLEM = Problem(
    name="wait",
    reference=lambda x: x + 1,
    inputs=lambda w, g: Inputs({"x": torch.randn(64, generator=g)}),
    workloads=(Workload(name="small"),),
)
INPUTS = [PROBLEM.make_inputs(PROBLEM.workloads[0], seed) for seed in range(3)]
SLEEPS = "import time\ndef f(x):\n    time.sleep({})\n    return x + 1"
QUICK = Effort(budget_s=0.3, calls=10, block_s=0.03)


def opened(source: str) -> Session:
    candidate = Candidate(name="c", source=source, entry="f")
    return open_session(candidate, PROBLEM, INPUTS, PROBLEM.run(INPUTS[0]), limits=Limits(call_s=10), threads=1)


@pytest.fixture
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    one = opened(request.param)
    yield one
    one.child.close()


def test_the_interval_of_the_median_covers_the_median():
    draw = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        _, low, high = median_interval(draw.lognormal(size=25).tolist())
        covered += low <= 1.0 <= high
    assert 0.93 <= covered / 400 <= 1.0
    assert median_interval([3.0]) == (3.0, 3.0, 3.0)
    assert median_interval([1.0] * 3000)[0] == 1.0


def test_who_does_the_work_of_several_calls_in_one_is_judged_by_all() -> None:
    even, by_turns = [1.0, 1.1, 1.0, 1.3, 1.0], [4.0, 0.01, 0.01, 0.01]
    assert typical(even) == 1.0
    assert typical(by_turns) == pytest.approx(1.0075)
    assert are_uneven([by_turns, by_turns, even])
    assert not are_uneven([even, even, [1.0, 1.0, 30.0]])  # one disturbed block


def test_a_timer_is_held_to_the_record_of_the_kernel():
    def said(events_s: float, kernel_s: float) -> bool:
        found = {m: Timing(m, s, 0.0) for m, s in (("activity", kernel_s), ("events", events_s))}
        return is_trusted(found, "events")

    assert said(2.4e-6, 2e-6)  # half a microsecond
    assert not said(9.4e-6, 2e-6)
    assert said(1.015e-3, 1e-3)  # two percent
    assert not said(0.97e-3, 1e-3)


def test_the_interval_of_a_ratio_covers_the_ratio():
    draw = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        _, low, high = ratio_interval(draw.lognormal(0, 0.05, 15).tolist(), seed=seed, draws=400)
        covered += low <= 1.0 <= high
    assert covered / 200 >= 0.88


def test_a_drift_is_noticed():
    assert halves_agree([1.0, 1.01] * 10, 0.1)
    assert not halves_agree([1.0] * 10 + [1.5] * 10, 0.1)


def test_a_schedule_never_repeats_an_input_at_once_and_uses_them_all():
    for seed in range(50):
        schedule = draw_schedule(random.Random(seed), 0.001, 0.05, 4)
        assert all(a != b for a, b in zip(schedule, schedule[1:], strict=False))
        assert set(schedule) == {0, 1, 2, 3} and 50 <= len(schedule) <= 76


@pytest.mark.parametrize("session", [SLEEPS.format(0.004)], indirect=True)
def test_a_known_time_is_measured(session):
    result = measure(session, INPUTS, cold=False, effort=QUICK)
    assert 0.004 <= result.median_s < 0.006
    assert result.ci_low_s <= result.median_s <= result.ci_high_s
    assert len(result.samples_s) >= 10 and result.state == "warm"
    assert result.median_s == statistics.median(result.samples_s)


@pytest.mark.parametrize("session", [SLEEPS.format(0.01)], indirect=True)
def test_a_hopeless_candidate_is_given_up(session):
    result = measure(session, INPUTS, cold=False, effort=QUICK, stop_above_s=0.005)
    assert result.stopped and result.blocks == 1


LIES = """
import time
def f(x):
    time.sleep(0.004)
    return x + 1
real = time.perf_counter_ns
import sys, gc
for thing in gc.get_objects():
    pass
program = sys.modules["__main__"]
program.time.perf_counter_ns = lambda: 1_000_000_000 + real() // 10
"""


@pytest.mark.parametrize("session", [LIES], indirect=True)
def test_a_clock_turned_back_in_the_child_is_caught(session):
    with pytest.raises(CandidateError) as failure:
        run_block(session, INPUTS, Block([0, 1, 2] * 3))
    assert failure.value.status is Status.TIMING_INCONSISTENT


COUNTS = "N = 0\ndef f(x):\n    global N\n    N += 1\n    return x + (N < 9)"


@pytest.mark.parametrize("session", [COUNTS], indirect=True)
def test_results_of_timed_calls_are_looked_at(session):
    def inspect(slot, outcome):
        if not torch.equal(outcome.outputs[0], INPUTS[slot].args["x"] + 1):
            raise CandidateError(Status.INCORRECT_NUMERICAL, "wrong while timed")

    assert torch.equal(session.call(INPUTS[0]).outputs[0], INPUTS[0].args["x"] + 1)
    with pytest.raises(CandidateError, match="wrong while timed"):
        measure(session, INPUTS, cold=False, effort=QUICK, inspect=inspect)


def test_paired_comparison_finds_the_faster_of_two():
    fast, slow = opened(SLEEPS.format(0.004)), opened(SLEEPS.format(0.006))
    sessions = {"fast": fast, "slow": slow}
    try:
        measured, comparisons, failures = compare(
            sessions, INPUTS, cold=False, budget_s=2, block_s=0.02, thorough=True, warm_slots=2
        )
    finally:
        fast.child.close()
        slow.child.close()
    by_name = {(c.name, c.baseline): c for c in comparisons}
    assert by_name["fast", "slow"].faster and not by_name["slow", "fast"].level_or_ahead
    assert 1.3 < by_name["slow", "fast"].ratio < 1.6
    assert measured["fast"].median_s < measured["slow"].median_s
    for name, least_s in (("fast", 0.004), ("slow", 0.006)):
        warm_s, (low, high) = measured[name].warm_s, measured[name].warm_ci_s
        assert least_s <= low <= warm_s <= high and warm_s < least_s + 0.002
        assert (measured[name].eager_s, measured[name].energy_j) == (None, None)  # there is no GPU
    assert not failures


def test_one_that_falls_out_does_not_spoil_the_comparison_of_the_others():
    dies = "N = 0\ndef f(x):\n    global N\n    N += 1\n    return x + 1 if N < 30 else 1 / 0"
    sessions = {"a": opened(SLEEPS.format(0.002)), "b": opened(SLEEPS.format(0.003)), "dies": opened(dies)}
    try:
        measured, comparisons, failures = compare(sessions, INPUTS, cold=False, budget_s=1, block_s=0.01)
    finally:
        for session in sessions.values():
            session.child.close()
    assert set(measured) == {"a", "b"} and len(comparisons) == 2
    assert failures["dies"].status is Status.RUNTIME_ERROR
