"""One file adds an operator: dropped into a copy of the package, it is found, tested, listed and callable by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tilewright

OPERATOR = '''
"""Scale and shift: out = x * 2 + 1. Axes: M elements. Bound: memory."""

from __future__ import annotations

import torch

from ..problem import Cost, Inputs, Problem, Workload


def reference(x):
    return x * 2 + 1


def inputs(workload, generator):
    x = torch.randn(workload.axes["M"], 3, generator=generator)
    return Inputs({"x": x.to(getattr(torch, workload.dtype))})


def cost(workload):
    size = 3 * workload.axes["M"] * getattr(torch, workload.dtype).itemsize
    return Cost(bytes_read=size, bytes_written=size, flops={}, derivation="x in, out out")


def dropped_in(x, *, impl=None):
    if impl not in (None, "reference"):
        reason = "with TRITON_INTERPRET=1; not torch.float64" if impl == "triton" else "choose one of reference"
        raise ValueError(f"dropped_in: impl={impl!r}: {reason}")
    return reference(x)


def edges():
    return tuple(Workload(name=f"edge_{M}", axes={"M": M}) for M in (0, 1, 5))


PROBLEM = Problem(
    name="dropped_in",
    grads=("x",),
    reference=reference,
    inputs=inputs,
    cost=cost,
    edges=edges,
    impls={"reference": reference},
    workloads=(Workload(name="small", axes={"M": 64}, source="made up for this test"),),
)
'''


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with one more file in its ops folder."""
    root = tmp_path_factory.mktemp("overlay")
    source = Path(tilewright.__file__).parent
    shutil.copytree(source, root / "tilewright", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "tilewright" / "ops" / "dropped_in.py").write_text(OPERATOR)
    return root


def python(overlay: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(overlay), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_it_is_found_and_callable(overlay: Path) -> None:
    code = """
import torch, tilewright
from tilewright import ops
assert "dropped_in" in ops.names(), ops.names()
assert ops.get("dropped_in").name == "dropped_in"
assert torch.equal(tilewright.ops.dropped_in(torch.ones(2)), torch.full((2,), 3.0))
"""
    done = python(overlay, "-c", code)
    assert done.returncode == 0, done.stderr


def test_its_tests_exist_and_pass(overlay: Path) -> None:
    tests = Path(__file__).parent / "test_ops.py"
    chosen = "dropped_in and not inductor"
    done = python(overlay, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests), "-k", chosen)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    listed = python(overlay, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", str(tests), "-k", chosen)
    names = [line for line in listed.stdout.splitlines() if "dropped_in" in line]
    assert sum("at_every_edge" in line for line in names) == 9, listed.stdout  # three edges in three dtypes
    assert any("test_every_family_of_inputs" in line for line in names)


def test_the_command_line_lists_it(overlay: Path) -> None:
    done = python(overlay, "-m", "tilewright", "ops", "--json")
    assert done.returncode == 0, done.stderr
    assert "dropped_in" in json.dumps(json.loads(done.stdout))


def test_a_file_that_breaks_the_rule_of_one_word_is_refused(overlay: Path) -> None:
    wrong = overlay / "tilewright" / "ops" / "misnamed.py"
    wrong.write_text(OPERATOR)
    try:
        done = python(overlay, "-c", "from tilewright import ops; ops.get('misnamed')")
    finally:
        wrong.unlink()
    assert done.returncode == 1
    assert "ops/misnamed.py must define the function misnamed" in done.stderr
