"""The record of KernelBench's problems: what it says of each, where it goes on, and that its page is current."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "bench" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def recorder() -> ModuleType:
    return script("kernelbench_problems")


def test_the_page_is_what_is_recorded() -> None:
    table = script("kernelbench_table")
    data = json.loads(table.RECORDED.read_text())
    assert table.page(data) == table.PAGE.read_text(), "run: python bench/kernelbench_table.py"


RESULT = {
    "status": "WEAK_PROBLEM", "detail": "", "weaknesses": ["4x4: out: zeros passes"], "notes": ["4x4: tiny"],
    "mutants": 3, "mutants_tried": 2, "mutants_rejected": 2,
}  # fmt: skip
LOADED = {"stage": "the memory that it needs"}


@pytest.mark.parametrize(
    ("messages", "over", "expected"),
    [
        ([LOADED, {"result": RESULT}], False, (True, "WEAK_PROBLEM", "", ["out: zeros passes"])),
        ([LOADED], True, (True, "SKIPPED", "more than 5 s on", [])),
        ([], True, (False, "SKIPPED", "reading the problem", [])),
        ([LOADED], False, (True, "SKIPPED", "its process ended with code -9, within 2 GiB", [])),
        ([{"error": "/a/b.py fails: x", "code": 2}], False, (False, "UNREADABLE", "fails: x", [])),
        ([{"error": "p at w needs about 9.5 GiB to be", "code": 3}], False, (False, "SKIPPED", "needs 9.5 GiB", [])),
    ],
)
def test_what_is_said_of_a_problem(
    recorder: ModuleType, messages: list[dict[str, Any]], over: bool, expected: tuple[Any, ...]
) -> None:
    row = recorder.row_of(messages, over, -9, recorder.Limits(5.0, 5.0, 2 << 30))
    loads, status, reason, weak = expected
    assert (row["loads"], row["status"], row["weak"]) == (loads, status, weak) and reason in row["reason"]


def test_a_run_goes_on_where_it_was(recorder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for level, name in ((1, "2_b"), (1, "10_a"), (2, "1_c")):
        folder = tmp_path / f"level{level}"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(name)
    asked: list[str] = []

    def validated(path: Path, limits: Any) -> dict[str, Any]:
        asked.append(path.stem)
        status = "PASSED" if path.stem == "1_c" else "SKIPPED"
        reason = {"2_b": "more than 1 s on 1 core", "10_a": "needs 1.5 GiB"}.get(path.stem, "")
        return {"loads": True, "status": status, "reason": reason, "weak": [], "notes": [], "seconds": 0.1}

    monkeypatch.setattr(recorder, "validated", validated)
    limits, out = recorder.Limits(1.0, 1.0, 1 << 30), tmp_path / "out.json"
    files = recorder.problem_files(tmp_path, [1, 2], "")
    assert [p.stem for _, p in files] == ["2_b", "10_a", "1_c"]
    assert [p.stem for _, p in recorder.problem_files(tmp_path, [1, 3], "a")] == ["10_a"]
    recorder.record(files[:2], out, limits, again=False)
    recorder.record(files, out, limits, again=False)
    assert asked == ["2_b", "10_a", "1_c"]
    recorder.record(files, out, limits, again=True)
    assert asked[3:] == ["2_b"], "what needs more memory than there is need not be tried"
    recorder.record(files[1:], out, recorder.Limits(1.0, 1.0, 2 << 30), again=True)
    assert asked[4:] == ["10_a"]
    (tmp_path / "level1" / "10_a.py").write_text("changed")
    recorder.record(files, out, limits, again=False)
    assert asked[5:] == ["10_a"]
    assert [r["name"] for r in json.loads(out.read_text())["problems"]] == ["2_b", "10_a", "1_c"]
