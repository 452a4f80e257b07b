"""A run killed with -9 at any point goes on: nothing that was learned is lost, and nothing is evaluated twice."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest

from simulated import PROBLEM, Clock, Machine, kernel
from tilewright.candidate import Candidate, Status
from tilewright.formats import load_problem
from tilewright.optimize import Settings, optimize, resume
from tilewright.optimize.history import replay
from tilewright.optimize.proposers import parameters
from tilewright.problem import Space
from tilewright.record import Store

pytestmark = pytest.mark.timed

POSED = """
import torch


class Model(torch.nn.Module):
    def forward(self, x):
        return x.exp()


def get_inputs():
    return [torch.randn(4, 8)]


def get_init_inputs():
    return []
"""
POINTS = [
    ("run", 1), ("proposed", 1), ("proposed", 3), ("portfolio", 1), ("building", 1), ("building", 6), ("evaluated", 1),
    ("evaluated", 9), ("best", 2), ("finalist", 2), ("paired", 1), ("certifying", 1), ("certified", 1), ("finished", 1),
]  # fmt: skip


def killed(tmp_path, kind: str, number: int) -> None:
    """Run the search in a process of its own until it kills itself, right after the event is on disk."""
    met = 0

    def kill(event):
        nonlocal met
        met += event.kind == kind
        if event.kind == kind and met == number:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            clock = Clock()
            settings = Settings(seed=4, proposers=("user",))
            machine = Machine(clock)
            run = {"out": tmp_path / "run", "budget_s": 90.0, "user": (kernel(),), "settings": settings}
            optimize(PROBLEM, **run, progress=kill, make_runner=lambda *_: machine, clock=clock)
        finally:
            os._exit(1)  # the search ended, or failed, before the event was met
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def known(tmp_path):
    with Store.open(tmp_path / "run", write=False) as store:
        return store.events(), replay(store)


@pytest.mark.parametrize(("kind", "number"), POINTS)
def test_a_killed_run_goes_on_and_repeats_nothing(tmp_path, kind, number):
    killed(tmp_path, kind, number)
    before, history = known(tmp_path)
    clock = Clock()
    machine = Machine(clock)
    result = resume(tmp_path / "run", problem=PROBLEM, make_runner=lambda *_: machine, clock=clock)
    assert result.status == "improved"
    assert result.best.params == {"TILE": 8, "UNROLL": 2, "MODE": "b"}
    assert (tmp_path / "run/best.py").read_text() == result.best.source
    after, whole = known(tmp_path)
    assert after[: len(before)] == before
    assert not set(machine.evaluated) & set(history.records)
    assert max(Counter(machine.evaluated).values(), default=1) == 1
    assert all(r.passed for r in whole.records.values())
    assert {p.candidate.digest for p in history.proposed.values()} <= set(whole.records) | set(whole.skipped)
    assert not set(machine.certified) & set(history.certified)


def test_the_time_already_spent_counts(tmp_path):
    killed(tmp_path, "evaluated", 9)
    _, history = known(tmp_path)
    assert history.spent_s > 10
    clock = Clock()
    start = clock.now
    result = resume(tmp_path / "run", problem=PROBLEM, make_runner=lambda *_: Machine(clock), clock=clock)
    assert result.spent_s == pytest.approx(history.spent_s + clock.now - start, abs=0.01)
    assert result.spent_s < 94


def test_what_the_strategy_had_learned_is_told_again(tmp_path, monkeypatch):
    killed(tmp_path, "evaluated", 14)
    _, history = known(tmp_path)
    asked: list[Candidate] = []
    propose = parameters.propose

    def spy(context):
        made = list(propose(context))
        asked.extend(made)
        return made

    monkeypatch.setattr(parameters, "propose", spy)
    clock = Clock()
    resume(tmp_path / "run", problem=PROBLEM, make_runner=lambda *_: Machine(clock), clock=clock)
    assert asked
    assert not {c.digest for c in asked} & set(history.proposed)


def test_a_finished_run_says_what_it_found_and_does_nothing(tmp_path):
    killed(tmp_path, "finished", 1)
    assert not (tmp_path / "run/result.json").exists()
    (tmp_path / "run").rename(tmp_path / "moved")

    def never(*_):
        raise AssertionError("a finished run needs no machine")

    result = resume(tmp_path / "moved", make_runner=never)
    assert result.status == "improved"
    assert result.run == str(tmp_path / "moved")
    assert (tmp_path / "moved/result.json").exists()


def test_a_candidate_that_ends_the_run_twice_is_left_alone(tmp_path):
    killed(tmp_path, "building", 3)
    with Store.open(tmp_path / "run") as store:
        (mine,) = [e.body["candidate"] for e in store.events("building")][-1:]
        store.append("building", None, {"candidate": mine, "name": "again"})
    clock = Clock()
    machine = Machine(clock)
    resume(tmp_path / "run", problem=PROBLEM, make_runner=lambda *_: machine, clock=clock)
    assert mine not in machine.evaluated
    assert known(tmp_path)[1].records[mine].status is Status.INFRA_ERROR


def test_the_users_kernel_comes_out_of_the_run_itself(tmp_path):
    killed(tmp_path, "run", 1)
    clock = Clock()
    resume(tmp_path / "run", problem=PROBLEM, make_runner=lambda *_: Machine(clock), clock=clock)
    assert kernel().digest in known(tmp_path)[1].records


@pytest.mark.parametrize("target", ["softmax", "file"])
def test_the_problem_is_bound_again_from_the_run_alone(tmp_path, target):
    if target == "file":
        file = tmp_path / "posed.py"
        file.write_text(POSED)
        target = str(file)
    problem = load_problem(target)
    clock = Clock()

    def interrupt(event):
        if event.kind == "portfolio":
            raise KeyboardInterrupt

    settings = Settings(seed=4, proposers=("eager", "user"))
    run = {"out": tmp_path / "run", "user": (kernel("only", Space()),), "settings": settings, "clock": clock}
    machine = Machine(clock, times_s={"only": 0.003})
    with pytest.raises(KeyboardInterrupt):
        optimize(problem, **run, progress=interrupt, make_runner=lambda *_: machine)
    (tmp_path / "posed.py").unlink(missing_ok=True)
    bound = []

    def make_runner(problem, *_):
        bound.append(problem)
        return machine

    assert resume(tmp_path / "run", make_runner=make_runner, clock=clock).status == "improved"
    assert bound[0].digest == problem.digest
    call = bound[0].make_inputs(bound[0].workloads[0], 0)
    assert len(bound[0].run(call)) == 1
