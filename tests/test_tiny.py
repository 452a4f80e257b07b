"""The whole flow on a CPU, small: a problem and a kernel are read, proved, timed, searched over, stored and shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import tilewright as tw
from tilewright.optimize import proposers
from tilewright.record import Store

pytestmark = pytest.mark.timed

PROBLEM = """
    import torch
    from tilewright.problem import Cost, Inputs, Problem, Workload

    def reference(x, weight):
        return x / (x.abs().sum(-1, keepdim=True) + 1) * weight

    def inputs(workload, generator):
        M, N = workload.axes["M"], workload.axes["N"]
        return Inputs({"x": torch.randn(M, N, generator=generator), "weight": torch.randn(N, generator=generator)})

    def cost(workload):
        M, N = workload.axes["M"], workload.axes["N"]
        return Cost(bytes_read=4 * (M * N + N), bytes_written=4 * M * N, flops={"float32": 5 * M * N})

    TINY = Workload(name="tiny", axes={"M": 64, "N": 96})
    PROBLEM = Problem(name="share", reference=reference, inputs=inputs, cost=cost, workloads=(TINY,))
"""
KERNEL = '''
    import ctypes
    import torch
    from tilewright.build.cpp import load

    SOURCE = r"""
    extern "C" __attribute__((visibility("default")))
    void share(const float* x, const float* weight, float* out, long rows, long columns) {
        for (long r = 0; r < rows; ++r) {
            const float* in = x + r * columns;
            float sum = 0.0f;
            for (long c = 0; c < columns; ++c) sum += in[c] < 0.0f ? -in[c] : in[c];
            for (long c = 0; c < columns; ++c) out[r * columns + c] = in[c] / (sum + 1.0f) * weight[c];
        }
    }
    """
    kernel = load(SOURCE).share
    kernel.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_long] * 2

    def share(x, weight):
        x, weight = x.contiguous(), weight.contiguous()
        out = torch.empty_like(x)
        kernel(x.data_ptr(), weight.data_ptr(), out.data_ptr(), *x.shape)
        return out
'''


@pytest.fixture
def few_proposers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave torch.compile out: building it takes longer than everything else together."""
    chosen = {"baseline": ["eager"], "seed": ["user"], "child": ["parameters"]}
    monkeypatch.setattr(proposers, "names", lambda stage=None: chosen.get(stage, ["eager", "user", "parameters"]))


@pytest.mark.usefixtures("few_proposers", "known_machine")
def test_from_problem_to_report(write: Callable[[str, str], str], tmp_path: Path) -> None:
    problem, kernel = write("share.py", PROBLEM), write("my_kernel.py", KERNEL)
    said: list[str] = []
    run = tmp_path / "run"
    result = tw.optimize(kernel, problem, budget="20s", device="cpu", out=run, progress=said.append)

    assert result.status in ("improved", "level", "nothing_better")
    assert result.evaluations == 2
    assert result.best.certified, result.notes
    assert result.best.median_s > 0
    assert result.best.fraction_of_bound > 0
    assert {e["name"]: e["status"] for e in result.entries} == {"eager": "PASSED", "my_kernel": "PASSED"}
    assert any("my_kernel" in line for line in said)

    assert (run / "best.py").read_text() == result.best.source
    assert json.loads((run / "result.json").read_text())["best"]["identity"] == result.best.identity
    page = (run / "report.html").read_text()
    assert "my_kernel" in page
    assert "PASSED" in page

    with Store.open(run, write=False) as store:
        events = store.events()
    assert events[0].kind == "run"
    assert events[-1].kind == "finished"
    bodies = {event.kind: event.body for event in events}
    assert len(bodies["paired"]["comparisons"]) == 2  # each over the other, timed in the same rounds
    assert bodies["certified"]["record"]["tier"] == "certify"

    again = tw.optimize(resume=run)
    assert again.best.identity == result.best.identity
    assert again.evaluations == result.evaluations
