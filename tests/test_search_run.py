"""What of a search is the user's mistake, and what a result says of where it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulated import PROBLEM, Clock, Machine, kernel
from tilewright import search_run
from tilewright.formats import InputError
from tilewright.optimize import Settings, optimize

pytestmark = pytest.mark.timed


def begin(folder: Path, **changes: Any) -> Any:
    fields = {
        "folder": folder, "budget_s": 60.0, "strategy": None, "proposers": None, "device": "cpu", "gpus": (),
        "started_s": 0.0, "allow_weak_sandbox": False, "progress": None,
    }  # fmt: skip
    return search_run.begin(PROBLEM, PROBLEM.workloads[0], (), **{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"strategy": "best"}, "no strategy 'best'; there are random_search, tpe"),
        ({"proposers": ("eager", "magic")}, "no proposer 'magic'; there are compiled, eager, "),
    ],
)
def test_a_name_that_does_not_exist_is_the_users_mistake(tmp_path: Path, changes: Any, line: str) -> None:
    with pytest.raises(InputError) as failure:
        begin(tmp_path / "run", **changes)
    words, _, known = line.partition("; there are ")
    assert str(failure.value).startswith(f"{words}; there are ")
    assert all(name in str(failure.value) for name in known.replace(" ", "").split(",") if name)
    assert not (tmp_path / "run").exists()


def test_a_defect_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def defective(*_: Any, **__: Any) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(search_run, "search", defective)
    with pytest.raises(ValueError, match="a defect") as failure:
        begin(tmp_path / "run")
    assert not isinstance(failure.value, InputError)


def test_a_result_names_the_environment_of_its_run(tmp_path: Path) -> None:
    """Not that of the machine on which a finished run is looked at."""
    clock = Clock()
    result = optimize(
        PROBLEM,
        out=tmp_path,
        budget_s=60.0,
        settings=Settings(seed=1, proposers=("user",)),
        user=[kernel()],
        make_runner=lambda *_: Machine(clock),
        clock=clock,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tilewright.device.machine.cpu_name", lambda: "another machine")
        finished = search_run.finish(result, tmp_path)
    assert finished.environment["cpu"] != "another machine"
    assert finished.environment["tilewright"]
    assert {e["name"] for e in finished.entries} >= {"eager", kernel().name}
