"""The README's numbers are the recorded ones, and what it tells a reader to run exists."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme_tables", ROOT / "bench" / "readme_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_what_is_recorded(tables: ModuleType) -> None:
    for page in tables.PAGES:
        assert tables.filled(page.read_text()) == page.read_text(), f"{page.name} is stale; run: make readme"


def test_a_table_is_made_from_a_recorded_result(tables: ModuleType, tmp_path: Path) -> None:
    entry = {
        "name": "rowwise", "status": "PASSED", "median_s": 2e-3, "ci_low_s": 1.9e-3, "ci_high_s": 2.1e-3,
        "fraction_of_bound": 0.5, "speedup": {"eager": 1.8},
    }  # fmt: skip
    run = {"entries": [entry], "evaluations": 7, "spent_s": 60.0, "problem": "p", "workload": "w"}
    (tmp_path / "demo.json").write_text(json.dumps(run))
    text = tables.filled("a\n<!-- table: demo -->\nold\n<!-- end -->\nb", tmp_path)
    assert "| rowwise | PASSED | 2.00 ms (1.90 ms to 2.10 ms) | 50 % | 1.80× |" in text
    assert "old" not in text
    assert tables.filled(text, tmp_path) == text


def test_the_commands_it_names_exist() -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^    make (\w+)", README, re.M)) <= targets
    from tilewright.cli import app

    commands = {c.name or c.callback.__name__ for c in app.registered_commands}  # type: ignore[union-attr]
    assert set(re.findall(r"tilewright (\w+) ", README)) - {"as"} <= commands
    assert all((ROOT / path).exists() for path in re.findall(r"\b(?:examples|src)/[\w/.]+", README))
