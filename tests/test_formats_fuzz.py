"""Every reader meets changed, cut and hostile files: a problem, a candidate, or one line that says what is wrong."""

from __future__ import annotations

import json
import random
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foreign import (
    DEFINITION,
    SOL_DEFINITION,
    SOL_SOLUTION,
    SOLUTION,
    TASK_FILES,
    TASK_YML,
    WORKLOADS,
    put,
    safetensors,
)
from tilewright import formats
from tilewright.formats import InputError, _trace_set, gpumode
from tilewright.formats._safetensors import read_tensor
from tilewright.formats._task import read_task
from tilewright.problem import Problem

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
MORE_BYTES = 400 << 20
LONGEST_S = 20.0

_HOSTILE = (
    None, True, -1, 1 << 70, 1e308, "", "\0", "../" * 40, "/etc/passwd", "a" * 5000, "x\ny", [], {}, [[]] * 50,
    {"": {}}, "9" * 4000, "__import__('os')", "\ud7ff", {"type": "const"}, {"type": "expr", "expression": "M**M**M"},
)  # fmt: skip


def changed(data: Any, rng: random.Random) -> Any:
    """Return `data` with one part left out, doubled, or replaced by something hostile."""
    if isinstance(data, dict) and data and rng.random() < 0.9:
        key = rng.choice(list(data))
        action = rng.random()
        if action < 0.15:
            return {k: v for k, v in data.items() if k != key}
        if action < 0.25:
            return {**data, str(rng.choice(_HOSTILE)): data[key]}
        return {**data, key: changed(data[key], rng)}
    if isinstance(data, list) and data and rng.random() < 0.9:
        at = rng.randrange(len(data))
        return [*data[:at], changed(data[at], rng), *data[at + 1 :]]
    return rng.choice(_HOSTILE)


def torn(raw: bytes, rng: random.Random) -> bytes:
    """Return `raw` cut, with bytes flipped, a stretch repeated, or braces without end."""
    action = rng.random()
    at = rng.randrange(max(len(raw), 1))
    if action < 0.3:
        return raw[:at]
    if action < 0.6:
        return raw[:at] + bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9))) + raw[at + 1 :]
    if action < 0.8:
        return raw[:at] + raw[at : at + 50] * 20 + raw[at:]
    return raw[:at] + rng.choice((b"[", b"{", b"(", b"- ", b'{"a":')) * 20_000 + raw[at:]


def spoiled(data: Any, rng: random.Random) -> bytes:
    """Return JSON text that is changed up to three times, and torn one time in three."""
    for _ in range(rng.randrange(1, 4)):
        data = changed(data, rng)
    raw = json.dumps(data).encode("utf-8", "replace")
    return torn(raw, rng) if rng.random() < 0.34 else raw


def survives(read: Callable[[], Any]) -> None:
    """`read` ends well, or with one line of ours, soon, and without much memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, line = time.monotonic(), "read"
    try:
        read()
    except InputError as error:
        line = str(error)
    assert "\n" not in line
    assert 0 < len(line) < 10_000
    assert time.monotonic() - start < LONGEST_S
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) << 10 < MORE_BYTES


@pytest.fixture(autouse=True)
def nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The readers alone: what a file's own Python does is the probe's to survive."""
    monkeypatch.setattr(_trace_set, "probe", lambda *_: {})
    monkeypatch.setattr(_trace_set, "bind", lambda problem, source: problem)
    monkeypatch.setattr(gpumode, "bind", lambda problem, source: problem)
    layout = {"kind": "tuple", "items": [{"kind": "leaf", "name": "x", "tensor": True}]}
    monkeypatch.setattr(gpumode, "probe", lambda *_: {"layout": layout, "float": "float32", "dtype": "float32"})


def read_folder(seed: int, definition: Any, workloads: Any, solution: Any) -> None:
    rng = random.Random(seed)
    which = rng.randrange(3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        put(folder / "definition.json", spoiled(definition, rng) if which == 0 else json.dumps(definition))
        lines = [spoiled(w, rng) if which == 1 else json.dumps(w).encode() for w in workloads]
        put(folder / "workload.jsonl", b"\n".join(lines))
        put(folder / "solution.json", spoiled(solution, rng) if which == 2 else json.dumps(solution))
        survives(lambda: formats.load_candidates(name, formats.load_problem(name)))
        survives(lambda: formats.load_problem(str(folder / "solution.json")))
        survives(lambda: formats.detect_kind(str(folder / "solution.json")))


def read_gpumode(seed: int) -> None:
    rng = random.Random(seed)
    files = {"task.yml": TASK_YML, **TASK_FILES}
    spoil = rng.choice(list(files))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "row_shift"
        put(folder.parent / "utils.py", "x = 1\n")
        for file, text in files.items():
            put(folder / file, torn(text.encode(), rng) if file == spoil else text)
        survives(lambda: read_task(folder))
        survives(lambda: formats.load_candidates(str(folder), formats.load_problem(str(folder))))


def read_safetensors(seed: int) -> None:
    rng = random.Random(seed)
    header = {"key": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    raw = safetensors({"key": ("F32", [2, 3], bytes(24))})
    if rng.random() < 0.6:
        text = spoiled(header, rng)
        raw = len(text).to_bytes(8, "little") + text + bytes(24)
    with tempfile.TemporaryDirectory() as name:
        path = put(Path(name) / "x.safetensors", torn(raw, rng) if rng.random() < 0.5 else raw)
        survives(lambda: read_tensor(path, "key"))


PYTHON = """import torch
PARAMS = {"A": 1, "B": [2]}
SPACE = {"A": [1, 2]}
CONSTRAINTS = ["A > 0"]
ENTRY = "run"
SOURCE = r'''extern "C" void f() {}'''
class ModelNew(torch.nn.Module):
    def forward(self, x): return x
def run(x): return x
"""


def read_python(seed: int) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        path = str(put(Path(name) / "kernel.py", torn(PYTHON.encode(), rng)))
        survives(lambda: formats.detect_kind(path))
        for kind in ("module", "function"):
            problem = Problem(name="run", kind=kind, reference=lambda x: x)
            survives(lambda problem=problem: formats.load_candidate(path, problem))


READERS: dict[str, Callable[[int], None]] = {
    "flashinfer": lambda seed: read_folder(seed, DEFINITION, WORKLOADS, SOLUTION),
    "sol": lambda seed: read_folder(
        seed, SOL_DEFINITION, [{"uuid": "a", "axes": {"B": 5}, "inputs": {}}], SOL_SOLUTION
    ),
    "gpumode": read_gpumode,
    "safetensors": read_safetensors,
    "python": read_python,
}


@pytest.mark.parametrize("reader", READERS)
@given(seed=st.integers(0, 2**32))
@QUICK
def test_a_spoiled_file_is_one_line(reader: str, seed: int) -> None:
    READERS[reader](seed)


@pytest.mark.sweep
@pytest.mark.parametrize("reader", READERS)
def test_ten_minutes_of_spoiled_files(reader: str) -> None:
    """Two minutes for each reader, from a seed that a failure names."""
    end, seed = time.monotonic() + 120, int(time.time())
    while time.monotonic() < end:
        seed += 1
        try:
            READERS[reader](seed)
        except BaseException as error:
            raise AssertionError(f"{reader} with seed {seed}: {type(error).__name__}: {error}") from error


def test_large_files_are_not_read(tmp_path: Path) -> None:
    for name, size in (("definition.json", 17 << 20), ("task.yml", 1 << 20)):
        folder = tmp_path / name
        with put(folder / name, "").open("wb") as file:
            file.truncate(size)
        with pytest.raises(InputError, match=r"at most \d+ MB are read"):
            formats.load_problem(str(folder))
