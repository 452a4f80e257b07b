"""The loop under a simulated machine: what it returns, what it never does, and what it costs."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from simulated import PROBLEM, SPACE, Clock, Machine, kernel
from tilewright.candidate import Status
from tilewright.optimize import Settings, optimize, resume, strategies
from tilewright.optimize.history import replay
from tilewright.optimize.strategies import WorkItem
from tilewright.problem import Parameter, Space
from tilewright.record import Store, StoreError
from tilewright.run.replay import ReplayRunner

pytestmark = pytest.mark.timed

ALLOWED = 2 * sum(t * u <= 64 for t in (1, 2, 4, 8, 16, 32) for u in (1, 2, 4))


def search(tmp_path, *, user=(), budget_s=60.0, folder="run", settings=None, progress=None, **machine):
    """Run a search on a simulated machine and return the result and the machine."""
    clock = Clock()
    made = Machine(clock, **machine)
    result = optimize(
        PROBLEM,
        out=tmp_path / folder,
        budget_s=budget_s,
        user=user or (kernel(),),
        settings=settings or Settings(seed=1, proposers=("user",)),
        progress=progress,
        make_runner=lambda *_: made,
        clock=clock,
    )
    return result, made


def events(tmp_path, kind=None, folder="run"):
    with Store.open(tmp_path / folder, write=False) as store:
        return store.events(kind)


def test_the_best_settings_are_found_certified_and_written(tmp_path):
    result, machine = search(tmp_path)
    assert (result.status, result.exit_code) == ("improved", 0)
    assert result.best.params == {"TILE": 8, "UNROLL": 2, "MODE": "b"}
    assert result.best.certified
    assert machine.certified == [result.best.identity]
    assert result.best.speedup["torch.compile"] == pytest.approx(2.0, rel=0.05)
    assert result.best.speedup["eager"] == pytest.approx(10 / 3, rel=0.05)
    assert result.best.fraction_of_bound == pytest.approx(2 / 3, rel=0.02)
    assert (tmp_path / "run/best.py").read_text() == result.best.source
    assert json.loads((tmp_path / "run/result.json").read_text())["best"]["identity"] == result.best.identity
    assert machine.closed


def test_nothing_is_evaluated_twice_and_only_allowed_settings_are(tmp_path):
    result, machine = search(tmp_path, budget_s=600.0)
    assert max(Counter(machine.evaluated).values()) == 1
    assert result.evaluations == ALLOWED + 3
    assert "every allowed setting was tried" in result.notes


@pytest.mark.parametrize("budget_s", [3.0, 10.0, 20.0, 40.0, 60.0, 200.0])
def test_the_budget_counts_from_the_commands_start_and_is_kept(tmp_path, budget_s):
    clock = Clock()
    started_at = clock.now
    clock.now += 2.0
    machine = Machine(clock)
    result = optimize(
        PROBLEM,
        out=tmp_path,
        budget_s=budget_s,
        started_at=started_at,
        user=(kernel(),),
        settings=Settings(seed=1, proposers=("user",)),
        make_runner=lambda *_: machine,
        clock=clock,
    )
    # What is under way when the time ends is not cut in two: a certification (4 s here) is let finish.
    assert clock.now - started_at <= budget_s + 4.0
    assert result.spent_s == pytest.approx(clock.now - started_at, abs=0.01)
    assert result.best is not None


def test_a_small_budget_leaves_out_what_is_dear_and_says_so(tmp_path):
    result, _machine = search(tmp_path, budget_s=45.0)
    assert any("torch.compile max-autotune was left out" in n for n in result.notes)
    assert result.status == "improved"
    whole, _ = search(tmp_path, budget_s=200.0, folder="whole")
    assert [b.name for b in whole.baselines] == ["torch.compile", "torch.compile max-autotune", "eager"]


def test_nothing_slower_than_the_best_baseline_is_returned(tmp_path):
    result, _machine = search(tmp_path, best_s=0.0065)
    assert (result.status, result.exit_code) == ("nothing_better", 1)
    assert result.best.candidate == "torch.compile"
    assert "nothing better was found and verified" in result.notes
    assert "torch.compile" in (tmp_path / "run/best.py").read_text()


def test_a_tie_is_level_only_when_it_is_not_slower(tmp_path):
    near = (kernel("near", Space()),)
    assert search(tmp_path, user=near, times_s={"near": 0.00598}, folder="ahead")[0].status == "level"
    assert search(tmp_path, user=near, times_s={"near": 0.00602}, folder="behind")[0].status == "nothing_better"


def test_a_winner_that_fails_certification_is_not_returned(tmp_path):
    result, _machine = search(tmp_path, statuses={"certify mine": Status.NONDETERMINISTIC})
    assert result.status == "nothing_better"
    assert result.best.candidate == "torch.compile"
    assert any(n.startswith("mine") and "was not certified: NONDETERMINISTIC" in n for n in result.notes)


def test_the_next_finalist_is_taken_when_the_first_is_not_certified(tmp_path):
    users = (kernel("fast", Space()), kernel("second", Space()))
    times_s = {"fast": 0.003, "second": 0.0031}
    statuses = {"certify fast": Status.INCORRECT_NUMERICAL}
    result, _ = search(tmp_path, user=users, times_s=times_s, statuses=statuses)
    assert (result.status, result.best.candidate) == ("improved", "second")


def test_hopeless_candidates_are_stopped_early_and_never_win(tmp_path):
    slow = kernel("slow", Space(parameters=(Parameter(name="TILE", values=(1, 2), default=1),)))
    _result, machine = search(tmp_path, user=(kernel(), slow), times_s={"slow": 0.1})
    assert machine.stopped > 0
    with Store.open(tmp_path / "run", write=False) as store:
        history = replay(store)
    assert all(not r.stopped for r in history.timed())
    assert [p.root for p in history.proposed.values() if p.stage == "child" and p.candidate.name == "slow"] == []


def test_bad_candidates_cost_only_themselves(tmp_path):
    bad = {s.name.lower(): s for s in (Status.TIMEOUT, Status.RUNTIME_ERROR, Status.RESOURCE, Status.COMPILE_ERROR)}
    users = tuple(kernel(name, Space()) for name in bad)
    result, _ = search(tmp_path, user=(*users, kernel()), statuses=bad, budget_s=120.0)
    assert result.status == "improved" and result.best.candidate.startswith("mine")
    with Store.open(tmp_path / "run", write=False) as store:
        history = replay(store)
    assert {history.proposed[d].candidate.name: r.status for d, r in history.records.items() if not r.passed} == bad


def test_our_own_faults_are_retried_and_never_counted(tmp_path):
    result, machine = search(tmp_path, user=(kernel("flaky", Space()),), times_s={"flaky": 0.004}, breaks={"flaky": 2})
    assert result.best.candidate == "flaky"
    assert max(Counter(machine.evaluated).values()) == 3
    result, machine = search(tmp_path, breaks={"mine": 9}, folder="broken")
    assert max(Counter(machine.evaluated).values()) == 3
    assert result.status == "nothing_better"
    assert result.evaluations == 3
    assert len(events(tmp_path, "infra", "broken")) == 2


def test_no_baseline_no_claim(tmp_path):
    names = ("eager", "torch.compile", "torch.compile max-autotune")
    result, _ = search(tmp_path, statuses=dict.fromkeys(names, Status.RUNTIME_ERROR))
    assert (result.status, result.best) == ("nothing_better", None)
    assert any("no baseline passed" in n for n in result.notes)


def test_every_step_is_on_disk_before_it_is_taken(tmp_path):
    seen: list[tuple[str, str | None]] = []

    def progress(event):
        seen.append((event.kind, event.key))
        assert events(tmp_path)[-1].seq >= event.seq

    _result, machine = search(tmp_path, progress=progress)
    kinds = [k for k, _ in seen]
    assert kinds[0] == "run"
    assert kinds[-1] == "finished"
    assert {"proposed", "building", "evaluated", "baseline", "best", "finalist", "paired", "certified"} <= set(kinds)
    for digest in machine.evaluated:
        proposed = seen.index(("proposed", digest))
        assert proposed < seen.index(("evaluated", digest))


def test_the_same_seed_gives_the_same_search(tmp_path):
    one = search(tmp_path, folder="one")[1].evaluated
    two = search(tmp_path, folder="two")[1].evaluated
    other = search(tmp_path, folder="other", settings=Settings(seed=2, proposers=("user",)))[1].evaluated
    assert one == two
    assert one != other


def test_a_search_can_be_run_again_from_its_records(tmp_path):
    whole, _ = search(tmp_path, budget_s=600.0)
    with Store.open(tmp_path / "run", write=False) as store:
        runner = ReplayRunner(replay(store).records.values())
    settings = Settings(seed=5, strategy="random_search", proposers=("user",))
    again = optimize(
        PROBLEM, out=tmp_path / "again", user=(kernel(),), settings=settings, make_runner=lambda *_: runner
    )
    assert again.best.identity == whole.best.identity


def test_max_evaluations_ends_the_search(tmp_path):
    settings = Settings(seed=1, proposers=("user",), max_evaluations=8)
    assert search(tmp_path, settings=settings, budget_s=600.0)[0].evaluations == 8


def test_ctrl_c_leaves_a_run_that_resumes_without_repeating(tmp_path):
    clock = Clock()
    machine = Machine(clock)
    count = 0

    def interrupt(event):
        nonlocal count
        count += event.kind == "evaluated"
        if count == 7 and event.kind == "evaluated":
            raise KeyboardInterrupt

    arguments = {"user": (kernel(),), "settings": Settings(seed=1, proposers=("user",)), "clock": clock}
    with pytest.raises(KeyboardInterrupt):
        optimize(PROBLEM, out=tmp_path, budget_s=60.0, make_runner=lambda *_: machine, progress=interrupt, **arguments)
    assert machine.closed
    again = Machine(clock)
    result = resume(tmp_path, problem=PROBLEM, make_runner=lambda *_: again, clock=clock)
    assert result.status == "improved"
    known = {e.key for e in events(tmp_path, "evaluated", ".")}
    assert len(known) == len(events(tmp_path, "evaluated", "."))
    evaluated_before = {e.key for e in events(tmp_path, "evaluated", ".")[:7]}
    assert not evaluated_before & set(again.evaluated)


def test_folders_and_names_that_cannot_be_used_are_named(tmp_path):
    search(tmp_path)
    with pytest.raises(StoreError, match="holds a run already"):
        search(tmp_path)
    with pytest.raises(ValueError, match="no strategy 'best'"):
        search(tmp_path, folder="other", settings=Settings(strategy="best"))
    with pytest.raises(ValueError, match="no proposer 'magic'"):
        search(tmp_path, folder="other", settings=Settings(proposers=("magic",)))
    with pytest.raises(StoreError, match="is not a run"):
        resume(tmp_path / "absent")
    with pytest.raises(StoreError, match="another problem"):
        interrupted_before_seeds(tmp_path)


def interrupted_before_seeds(tmp_path):
    def interrupt(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, folder="cut", progress=interrupt)
    resume(tmp_path / "cut", problem=PROBLEM.with_(name="other"))


# Every strategy of the folder keeps the same rules.

WIDE = Space(parameters=tuple(Parameter(name=n, values=tuple(range(12)), default=3) for n in "ABCDEF"))


def time_of(settings) -> float:
    return 1.0 + sum(hash((k, str(v))) % 7 for k, v in sorted(settings.items())) / 10


@pytest.mark.parametrize("name", strategies.names())
class TestStrategies:
    def test_the_default_first_then_each_allowed_point_once(self, name):
        strategy = strategies.make(name, SPACE, seed=3)
        asked: list[WorkItem] = []
        while not strategy.done():
            items = strategy.ask(3)
            asked += items
            for item in items:
                strategy.tell(item, time_of(item.settings) if len(asked) % 5 else None)
        assert asked[0].settings == SPACE.defaults()
        assert all(SPACE.allows(i.settings) for i in asked)
        assert len({i.key for i in asked}) == len(asked) == ALLOWED
        assert strategy.ask(2) == []

    def test_late_unknown_and_repeated_results_are_taken(self, name):
        strategy = strategies.make(name, SPACE, seed=3)
        first = strategy.ask(4)
        known = WorkItem({"TILE": 16, "UNROLL": 4, "MODE": "b"})
        strategy.tell(known, 0.5)
        for item in reversed(first):
            strategy.tell(item, 1.0)
            strategy.tell(item, 2.0)
        rest = []
        while not strategy.done():
            rest += strategy.ask(1)
        assert not {i.key for i in rest} & {known.key, *(i.key for i in first)}

    def test_the_same_seed_and_results_give_the_same_asks(self, name):
        def walk(seed):
            strategy = strategies.make(name, WIDE, seed)
            keys = []
            for _ in range(25):
                (item,) = strategy.ask(1)
                keys.append(item.key)
                strategy.tell(item, float(len(item.key) + sum(item.settings.values())))
            return keys

        assert walk(1) == walk(1)
        assert walk(1) != walk(2)

    def test_a_space_of_one_point_and_an_impossible_one_end(self, name):
        one = Space(parameters=(Parameter(name="A", values=(1,), default=1),))
        strategy = strategies.make(name, one, 0)
        assert [i.settings for i in strategy.ask(5)] == [{"A": 1}]
        assert strategy.done()
        none = Space(parameters=(Parameter(name="A", values=(1, 2), default=1),), constraints=("A > 2",))
        assert strategies.make(name, none, 0).ask(1) == []


def test_tpe_finds_a_good_point_sooner_than_chance():
    def best_after(name, seed, count=60):
        strategy = strategies.make(name, WIDE, seed)
        best = float("inf")
        for _ in range(count):
            (item,) = strategy.ask(1)
            time_s = 1.0 + sum((v - 9) ** 2 for v in item.settings.values())
            strategy.tell(item, time_s)
            best = min(best, time_s)
        return best

    seeds = range(5)
    wins = sum(best_after("tpe", s) < best_after("random_search", s) for s in seeds)
    assert wins == len(seeds)
