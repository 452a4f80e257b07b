"""Real children: candidates that hang, crash, eat memory and flood cost only themselves, and the run ends well."""

from __future__ import annotations

import textwrap

import pytest

from tilewright.candidate import Candidate, Status
from tilewright.formats import load_problem
from tilewright.optimize import Settings, optimize
from tilewright.optimize.history import replay
from tilewright.record import Store

pytestmark = pytest.mark.timed

PROBLEM = """
    import torch
    from torch import nn

    class Model(nn.Module):
        def forward(self, x):
            return torch.nn.functional.silu(x) * x

    def get_inputs():
        return [torch.randn(256, 1024)]

    def get_init_inputs():
        return []
"""
HOSTILE = {
    "hang": ("while True: pass", {Status.TIMEOUT}),
    "segfault": ("ctypes.string_at(0)", {Status.RUNTIME_ERROR}),
    "hog": ("torch.ones(1 << 36)", {Status.RESOURCE, Status.RUNTIME_ERROR}),
    "flood": ("[os.write(1, b'x' * (1 << 20)) for _ in range(100)]", {Status.PASSED, Status.RESOURCE}),
    "exit": ("sys.exit(0)", {Status.RUNTIME_ERROR}),
}


def candidate(name: str, line: str) -> Candidate:
    source = f"""
    import ctypes, os, sys, torch
    from torch import nn

    done = []

    class ModelNew(nn.Module):
        def forward(self, x):
            if not done:
                done.append(1)
                {line}
            return torch.nn.functional.silu(x).mul_(x)
    """
    return Candidate(name=name, source=textwrap.dedent(source), entry="ModelNew", kind="module")


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "problem.py").write_text(textwrap.dedent(PROBLEM))
    users = [candidate(name, line) for name, (line, _) in HOSTILE.items()] + [candidate("good", "pass")]
    result = optimize(
        load_problem(str(folder / "problem.py")),
        out=folder / "run",
        budget_s=400.0,
        user=users,
        settings=Settings(seed=1, proposers=("eager", "user"), allow_weak_sandbox=True),
    )
    with Store.open(folder / "run", write=False) as store:
        return result, replay(store)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_candidate_gets_its_status(history, name):
    records = {r.name: r for r in history[1].records.values()}
    assert records[name].status in HOSTILE[name][1]


def test_the_run_ends_well(history):
    result, known = history
    records = {r.name: r for r in known.records.values()}
    assert records["good"].passed
    assert records["eager"].passed
    assert result.best is not None
    assert result.best.certified
