"""The composer, on real children: what is judged, what is timed, and what is refused."""

from __future__ import annotations

import pytest
import torch

import tilewright
from tilewright.build import ToolMissing, prebuild
from tilewright.candidate import Candidate, Status
from tilewright.evaluate import CannotDo, Evaluator
from tilewright.formats import load_problem
from tilewright.problem import Cost, Inputs, Problem, Workload

pytestmark = pytest.mark.timed

# Large enough that a call takes milliseconds, so that keeping its result would pay.
ROWS, COLUMNS = 512, 1024


def reference(x: torch.Tensor) -> torch.Tensor:
    return torch.softmax(x.sin(), dim=-1)


PROBLEM = Problem(
    name="sine_softmax",
    reference=reference,
    inputs=lambda w, g: Inputs({"x": torch.randn(ROWS, COLUMNS, generator=g)}),
    cost=lambda w: Cost(bytes_read=4 * ROWS * COLUMNS, bytes_written=4 * ROWS * COLUMNS),
    workloads=(Workload(name="small"),),
)
HONEST = "import torch\ndef f(x): return torch.softmax(x.sin(), dim=-1)"
KEEPS_RESULTS = """
import torch
kept = {}
def f(x):
    key = (x.data_ptr(), *x.reshape(-1)[::1009].tolist())
    if key not in kept:
        kept[key] = torch.softmax(x.sin(), dim=-1)
    return kept[key].clone() if len(kept) % 2 else kept[key] + 0
"""


def candidate(source: str, **fields: object) -> Candidate:
    return Candidate(name="c", source=source, entry="f", **fields)


@pytest.fixture(scope="module")
def evaluator():
    with Evaluator(PROBLEM, device="cpu", threads=1) as one:
        yield one


def test_an_honest_candidate_is_certified_and_timed(evaluator):
    record = evaluator.certify(candidate(HONEST))
    assert record.status in (Status.PASSED, Status.UNSTABLE), record.verdict.detail
    assert record.tier == "certify" and record.verdict.facts["determinism"] == "bitwise"
    assert record.median_s is not None and record.median_s > 0


def test_results_kept_from_earlier_calls_are_not_a_kernel(evaluator):
    record = evaluator.evaluate(candidate(KEEPS_RESULTS), "certify", timed=False)
    assert record.status is Status.REWARD_HACK and "never seen before" in record.verdict.detail


def test_a_wrong_candidate_is_not_timed(evaluator):
    record = evaluator.evaluate(candidate("import torch\ndef f(x): return torch.softmax(x, dim=-1)"))
    assert record.status is Status.INCORRECT_NUMERICAL and record.measurement is None


def test_a_weak_sandbox_certifies_nothing_unless_asked():
    with Evaluator(PROBLEM, device="cpu", sandbox="limits", threads=1) as weak:
        with pytest.raises(CannotDo, match="--allow-weak-sandbox"):
            weak.certify(candidate(HONEST))


def test_a_problem_that_does_not_fit_is_refused_with_sizes(monkeypatch):
    with Evaluator(PROBLEM, device="cpu") as small:
        monkeypatch.setattr("tilewright.timed_calls.available_memory_bytes", lambda: 1 << 20)
        with pytest.raises(CannotDo, match=r"needs about .* GiB"):
            small.prepare()


def test_the_module_is_the_function_too():
    record = tilewright.evaluate(candidate(HONEST), PROBLEM, tier="screen", device="cpu")
    assert record.passed and record.tier == "screen"


def test_a_missing_compiler_is_not_the_candidates_fault(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ToolMissing, match="install g\\+\\+"):
        prebuild(candidate("SOURCE = 'int x;'\nPARAMS = {}\ndef f(x): return x", language="cpp"))


def test_what_a_module_prepares_from_its_weights_stands_beside_its_time(tmp_path):
    problem = tmp_path / "projection.py"
    problem.write_text(
        "import torch\nclass Model(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.wide = torch.nn.Linear(256, 256)\n"
        "    def forward(self, x): return self.wide(x).sum(-1)\n"
        "def get_inputs(): return [torch.randn(4, 256)]\ndef get_init_inputs(): return []\n"
    )
    folds = (
        "import torch\nclass ModelNew(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.wide, self.kept = torch.nn.Linear(256, 256), None\n"
        "    def forward(self, x):\n"
        "        if self.kept is None: self.kept = self.wide.weight.detach().sum(0), self.wide.bias.detach().sum()\n"
        "        return x @ self.kept[0] + self.kept[1]\n"
    )
    with Evaluator(load_problem(str(problem)), device="cpu", threads=1) as one:
        record = one.certify(Candidate(name="folds", source=folds, entry="ModelNew", kind="module"))
    assert record.passed, record.verdict.detail
    assert record.facts["first_s"] > 3 * record.median_s


def test_a_child_that_was_started_ahead_is_the_one_that_is_used(evaluator):
    evaluator.children.retire()
    evaluator.children.start_ahead([candidate(HONEST), candidate(KEEPS_RESULTS)])
    (child,) = evaluator.children.kept
    assert evaluator.children.served == 0
    assert evaluator.evaluate(candidate(HONEST), "screen").passed
    assert evaluator.children.kept == [child] and evaluator.children.served == 1


def test_those_that_do_not_start_leave_the_others_to_be_compared(evaluator):
    honest, silent, dies = candidate(HONEST), candidate("x = 1"), candidate("def f(x): raise ValueError('never')")
    records, comparisons = evaluator.compare([silent, honest, dies], budget_s=0.1)
    assert [records[c.digest].status for c in (silent, dies)] == [Status.COMPILE_ERROR, Status.RUNTIME_ERROR]
    assert records[honest.digest].passed and not comparisons
