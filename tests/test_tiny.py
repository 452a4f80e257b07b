"""The whole flow on a CPU, small: a problem and a kernel are read, proved, timed, searched over, stored and shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tilewright as tw
from tilewright.optimize import proposers
from tilewright.record import Store


@pytest.fixture
def few_proposers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave torch.compile out: building it takes longer than everything else together."""
    chosen = {"baseline": ["eager"], "seed": ["user"], "child": ["parameters"]}
    monkeypatch.setattr(proposers, "names", lambda stage=None: chosen.get(stage, ["eager", "user", "parameters"]))


@pytest.mark.usefixtures("few_proposers")
def test_from_problem_to_report(problem_file: str, right_file: str, tmp_path: Path) -> None:
    said: list[str] = []
    run = tmp_path / "run"
    result = tw.optimize(right_file, problem_file, budget="20s", device="cpu", out=run, progress=said.append)

    assert result.status in ("improved", "level", "nothing_better")
    assert result.evaluations == 2
    assert result.best.certified
    assert result.best.median_s > 0
    assert {e["name"]: e["status"] for e in result.entries} == {"eager": "PASSED", "my_kernel": "PASSED"}
    assert any("my_kernel" in line for line in said)

    assert (run / "best.py").read_text() == result.best.source
    assert json.loads((run / "result.json").read_text())["best"]["identity"] == result.best.identity
    page = (run / "report.html").read_text()
    assert "my_kernel" in page
    assert "PASSED" in page

    store = Store.open(run, write=False)
    kinds = [event.kind for event in store.events()]
    store.close()
    assert kinds[0] == "run"
    assert kinds[-1] == "finished"

    again = tw.optimize(resume=run)
    assert again.best.identity == result.best.identity
    assert again.evaluations == result.evaluations
