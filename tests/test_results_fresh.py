"""Recorded figures are those of the tree: a result of other sources fails, with the command that records it again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tilewright import ops, sources
from tilewright.candidate import Candidate
from tilewright.optimize.result import source_digest, source_digests

ROOT = Path(__file__).parents[1]
RECORDED = sorted((ROOT / "bench" / "results").rglob("*.json"))


def parts_of(data: Any) -> Iterator[dict[str, Any]]:
    """Every result in a file: itself, and those that it holds."""
    if isinstance(data, dict):
        if {"rows", "entries", "source_digests"} & set(data):
            yield data
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            yield from parts_of(item)


def origins(part: dict[str, Any]) -> set[str]:
    """The operators and generators that figures of this result are said to be of."""
    rows = [r for r in part.get("rows", ()) if isinstance(r, dict)]
    columns = [c for c, name in enumerate(part.get("columns", ())) if name in ("operator", "op")]
    found = {str(r.get("op")) for r in rows} | {str(r[c]) for r in part.get("rows", ()) for c in columns}
    for entry in [*part.get("entries", ()), *([part["best"]] if isinstance(part.get("best"), dict) else [])]:
        called = str(entry.get("name", entry.get("candidate", ""))).split(" ")[0]
        found |= {str(entry.get("origin")), called.removeprefix("ops.")}
    return {name for name in found if name in ops.names() or is_generator(name)}


def is_generator(name: str) -> bool:
    try:
        source_digest(name)
    except KeyError:
        return False
    return True


def command(file: Path, part: dict[str, Any]) -> str:
    """The command that records `file` again."""
    device = f"--device {part.get('environment', {}).get('device_kind', 'cpu')}"
    if (ROOT / "bench" / f"{file.stem}.py").is_file():
        return f"python bench/{file.stem}.py -o {file}"
    if "budget_s" in part:
        problem = next((ROOT / "examples").rglob(f"{part['problem']}.py"), ROOT / part["problem"]).relative_to(ROOT)
        return f"tilewright optimize {problem} --budget {part['budget_s']:g}s {device} --json > {file}"
    return f"tilewright bench {' '.join(sorted(origins(part)))} {device} --out {file.parent}"


def faults(file: Path, data: Any) -> list[str]:
    """What is wrong with a recorded file, one line each."""
    found = []
    for part in parts_of(data):
        recorded = part.get("source_digests", {})
        arch = str(part.get("environment", {}).get("device_arch", ""))
        for name in sorted(origins(part) - set(recorded)):
            found.append(f"{file}: figures of {name} carry no digest of its sources; run: {command(file, part)}")
        for name, digest in recorded.items():
            now = source_digest(name, arch) if is_generator(name) else "gone"
            if now != digest:
                found.append(f"{file}: {name} was {digest} and is {now}; run: {command(file, part)}")
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("file", RECORDED, ids=lambda f: str(f.relative_to(ROOT / "bench" / "results")))
def test_recorded_figures_are_of_these_sources(file: Path) -> None:
    wrong = faults(file.relative_to(ROOT), json.loads(file.read_text()))
    assert not wrong, "\n".join(["recorded figures are of other sources:", *wrong])


def test_there_is_something_to_check() -> None:
    assert RECORDED


GOOD = {"rms_norm": ops.source_digest("rms_norm", "sm_90")}
ENVIRONMENT = {"device_kind": "cuda", "device_arch": "sm_90"}
BENCH = {"rows": [{"op": "rms_norm"}, {"op": "a file's"}], "source_digests": GOOD, "environment": ENVIRONMENT}
SEARCH = {
    "entries": [{"name": "ops.rms_norm", "origin": "library"}, {"name": "k:rowwise A=1", "origin": "rowwise"}],
    "budget_s": 60.0, "problem": "p",
}  # fmt: skip
TABLE = {"columns": ["operator", "median"], "rows": [["rms_norm", "1 ms"]]}


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (BENCH, []),
        ({**BENCH, "source_digests": {}}, ["rms_norm carry no digest", "bench rms_norm --device cuda --out"]),
        ({**BENCH, "source_digests": {"rms_norm": "0" * 16}}, ["rms_norm was 0000000000000000 and is"]),
        ({**BENCH, "environment": {"device_arch": "x86-64-v4"}}, ["rms_norm was"]),  # another machine's settings
        ({**BENCH, "source_digests": {**GOOD, "no_such_operator": "0" * 16}}, ["no_such_operator", "is gone"]),
        (SEARCH, ["rms_norm carry no", "rowwise carry no", "optimize p --budget 60s --device cpu --json > x.json"]),
        ({"results": [SEARCH]}, ["rms_norm carry no", "rowwise carry no"]),
        (TABLE, ["rms_norm carry no digest"]),
        ({**TABLE, "columns": ["candidate", "status"]}, []),
    ],
)
def test_what_is_stale_is_named_with_its_command(data: dict[str, Any], named: list[str]) -> None:
    found = "\n".join(faults(Path("x.json"), data))
    assert bool(found) == bool(named)
    assert all(words in found for words in named), found


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The digest of rms_norm for sm_90 in a copy of the package, after a text is replaced in one of its files."""

    def changed(file: str = "", before: str = "", after: str = "") -> str:
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        for part in ("ops", "build"):
            shutil.copytree(sources.ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        if file:
            text = (root / file).read_text()
            assert before in text
            (root / file).write_text(text.replace(before, after))
        with monkeypatch.context() as patch:
            patch.setattr(sources, "ROOT", root)
            patch.setattr(ops, "__file__", str(root / "ops" / "__init__.py"))
            return ops.source_digest("rms_norm", "sm_90")

    return changed


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("ops/rms_norm.py", "import math\n", "import math  # a comment\n\n\n"),
        ("ops/rms_norm.py", "import math\n", 'import math\n"""More prose."""\n'),
        ("ops/softmax/__init__.py", "def softmax(", "def softer("),
        ("build/cpp.py", '"""C++ source', '"""Any source'),
        ("build/cpp.py", "def loader_text", "def text_of_the_loader"),  # nothing of the operator's reaches it
        ("ops/rms_norm.sm90.json", "\n", "\n\n"),
    ],
)
def test_what_changes_no_figure_changes_no_digest(changed: Any, file: str, before: str, after: str) -> None:
    assert changed(file, before, after) == GOOD["rms_norm"]


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("ops/rms_norm.py", "eps", "epsilon"),
        ("ops/_lib/cpp_rows.py", "#include <cmath>", "#include <math.h>"),
        ("build/cpp.py", "-O3", "-O2"),
        ("ops/_lib/settings.py", "REACH_LOG2 = 0.5", "REACH_LOG2 = 0.6"),
        ("ops/rms_norm.sm90.json", '"settings"', '"setting"'),
    ],
)
def test_what_may_change_a_figure_changes_the_digest(changed: Any, file: str, before: str, after: str) -> None:
    assert changed(file, before, after) != GOOD["rms_norm"]


def test_settings_of_another_gpu_are_nothing_to_this_one() -> None:
    assert ops.source_digest("rms_norm", "x86-64-v4") == ops.source_digest("rms_norm", "gfx942") != GOOD["rms_norm"]


def test_candidates_carry_what_they_are_made_of() -> None:
    def made(source: str, origin: str = "user") -> dict[str, str]:
        return source_digests([Candidate(name="c", source=source, entry="f", origin=origin)], "sm_90")

    assert made("x = 1") == {}
    assert made("import tilewright.ops\ny = tilewright.ops.rms_norm(x)") == GOOD
    assert made('f = ops.get("rms_norm").impls["cpp"]') == GOOD
    assert made("x = 1", origin="rowwise") == {"rowwise": source_digest("rowwise")}


def test_a_digest_is_asked_of_something_that_exists() -> None:
    with pytest.raises(KeyError, match="there is no operator 'rms'"):
        ops.source_digest("rms")
    with pytest.raises(KeyError, match="no generator"):
        source_digest("strategies_of_others")
