"""Candidates written in other formats: nothing is lost on the way back, and what is written says the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from foreign import (
    DEFINITION,
    SOL_DEFINITION,
    SOL_SOLUTION,
    SOL_WORKLOADS,
    SOLUTION,
    TASK_FILES,
    WORKLOADS,
    data_set,
    sol_folder,
    task_folder,
)
from tilewright import formats
from tilewright.candidate import Candidate
from tilewright.formats import InputError, _probe_main, _trace_set, gpumode, kernelbench
from tilewright.formats._files import load_files
from tilewright.formats._trace import Trace, parse
from tilewright.formats._trace_written import Traced, write_traces
from tilewright.problem import Inputs, Problem, Workload
from tilewright.verify import judge, make_truth
from tilewright.verify.admission import outcome_of


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at problems here, without the seconds that a probe's own process takes."""

    def probe(source: Any, format: str, timeout_s: float) -> dict[str, Any]:
        return formats.formats()[format].survey(source, lambda _: None, lambda call: _probe_main._outputs(call()))

    for module in (_trace_set, gpumode):
        monkeypatch.setattr(module, "probe", probe)


def outputs(text: str, name: str, args: list[Any]) -> tuple[torch.Tensor, ...]:
    """Run `text` as a module and call what it calls `name`."""
    names: dict[str, Any] = {"__name__": "exported"}
    exec(compile(text, "exported", "exec"), names)
    found = names[name](*args)
    return tuple(found) if isinstance(found, tuple | list) else (found,)


def test_a_data_set_is_written_back_whole(tmp_path: Path) -> None:
    folder = str(data_set(tmp_path))
    problem = formats.load_problem(folder)
    (candidate,) = formats.load_candidates(folder, problem)
    definition, workloads, solution = formats.export(candidate, problem, "flashinfer").values()
    assert json.loads(definition) == DEFINITION
    assert [json.loads(line)["workload"] for line in workloads.splitlines()] == WORKLOADS
    assert json.loads(solution) == SOLUTION


def test_a_sol_folder_is_written_back_whole(tmp_path: Path) -> None:
    folder = str(sol_folder(tmp_path))
    problem = formats.load_problem(folder)
    (candidate,) = formats.load_candidates(folder, problem)
    files = formats.export(candidate, problem, "sol")
    assert json.loads(files["definition.json"]) == SOL_DEFINITION
    assert [json.loads(line) for line in files["workload.jsonl"].splitlines()] == SOL_WORKLOADS
    assert json.loads(files["solution.json"]) == SOL_SOLUTION


def test_one_dialect_is_written_in_the_other(tmp_path: Path) -> None:
    folder = str(data_set(tmp_path))
    problem = formats.load_problem(folder)
    (candidate,) = formats.load_candidates(folder, problem)
    files = formats.export(candidate, problem, "sol")
    assert json.loads(files["solution.json"])["spec"]["languages"] == ["pytorch"]
    assert json.loads(files["solution.json"])["license"] == "kept too"
    assert json.loads(files["workload.jsonl"].splitlines()[0])["tolerance"] == WORKLOADS[0]["tolerance"]
    again = tmp_path / "sol"
    formats.write_files(files, again)
    back = formats.load_problem(str(again))
    assert (back.format, [w.name for w in back.workloads]) == ("sol", ["M7", "M32"])
    assert formats.load_candidate(str(again), back).name == "clamp_dps"


def test_a_tuned_solution_keeps_the_rest_of_its_file(tmp_path: Path) -> None:
    content = "PARAMS = {'A': 1}\nSPACE = {'A': [1, 2]}\n" + SOLUTION["sources"][0]["content"]
    folder = str(data_set(tmp_path, DEFINITION, {**SOLUTION, "sources": [{"path": "main.py", "content": content}]}))
    problem = formats.load_problem(folder)
    (candidate,) = formats.load_candidates(folder, problem)
    *_, solution = formats.export(candidate.with_params({"A": 2}), problem, "flashinfer").values()
    found = json.loads(solution)
    assert found["license"] == "kept too"
    assert "PARAMS = {'A': 2}" in found["sources"][0]["content"]
    assert found["spec"]["destination_passing_style"] is False
    entry = found["spec"]["entry_point"].partition("::")[2]
    call = problem.make_inputs(problem.workloads[0], 0)
    assert torch.equal(
        outputs(found["sources"][0]["content"], entry, list(call.args.values()))[0], problem.run(call)[0]
    )


def test_a_function_goes_everywhere_and_comes_back(tmp_path: Path) -> None:
    problem = native_problem()
    source = "def shifted(x, weight, eps=1e-6):\n    return (x + eps) * weight\n"
    candidate = Candidate(name="mine", source=source, entry="shifted")
    for to in ("flashinfer", "sol", "gpumode"):
        folder = tmp_path / to / "shifted"
        formats.write_files(formats.export(candidate, problem, to), folder)
        back = formats.load_problem(str(folder))
        assert back.format == to
        (there,) = formats.load_candidates(str(folder), back)
        for workload in back.workloads:
            call = back.make_inputs(workload, 3)
            right = back.run(call)[0]
            assert torch.allclose(outputs(there.source, there.entry, list(call.args.values()))[0], right)
        assert len(back.workloads) == 2, to


def native_problem() -> Problem:
    def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
        m, n = workload.axes["M"], workload.axes["N"]
        x = torch.randn(m, n, generator=generator)
        return Inputs(args={"x": x, "weight": torch.randn(n, generator=generator), "eps": 0.5})

    sizes = (Workload(name="a", axes={"M": 4, "N": 6}), Workload(name="b", axes={"M": 8, "N": 6}))
    text = "def shifted(x, weight, eps):\n    return (x + eps) * weight\n"
    names: dict[str, Any] = {}
    exec(text, names)
    return Problem(name="shifted", source=text, reference=names["shifted"], inputs=inputs, workloads=sizes)


MODEL = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, hidden, bias):
        super().__init__()
        self.inner = nn.Linear(hidden, 3, bias=bias)

    def forward(self, x):
        return self.inner(x).relu()


def get_inputs():
    return [torch.rand(5, 8)]


def get_init_inputs():
    return [8, True]
"""


def test_a_module_with_weights_becomes_a_function_of_them(tmp_path: Path) -> None:
    source = formats.parse_source(MODEL, "model.py")
    workload = Workload(name="5x8")
    problem = kernelbench.bind(Problem(name="model", kind="module", source=MODEL, workloads=(workload,)), source)
    text = MODEL.replace("class Model(", "class ModelNew(").replace(".relu()", ".clamp(min=0)")
    candidate = Candidate(name="new", source=text, entry="ModelNew", kind="module")
    files = formats.export(candidate, problem, "sol")
    definition = json.loads(files["definition.json"])
    assert list(definition["inputs"]) == ["x", "inner_weight", "inner_bias"]
    assert definition["inputs"]["inner_weight"]["shape"] != definition["inputs"]["x"]["shape"]
    formats.write_files(files, tmp_path / "model")
    back = formats.load_problem(str(tmp_path / "model"))
    (there,) = formats.load_candidates(str(tmp_path / "model"), back)
    call = back.make_inputs(back.workloads[0], 0)
    x, weight, bias = call.args.values()
    right = (x @ weight.T + bias).relu()
    truth = make_truth(back, call)
    assert judge(truth, outcome_of([right])).passed
    assert judge(truth, outcome_of([outputs(there.source, there.entry, [x, weight, bias])[0]])).passed


def test_a_submission_is_written_back_as_it_was_and_a_kernel_becomes_one(tmp_path: Path) -> None:
    folder = task_folder(tmp_path / "row_shift")
    problem = formats.load_problem(str(folder))
    (candidate,) = formats.load_candidates(str(folder), problem)
    assert formats.export(candidate, problem, "gpumode") == {"submission.py": TASK_FILES["submission.py"]}
    mine = Candidate(
        name="mine",
        source="def fast(x, shift, weights, shape):\n    return (x @ weights + shift).view(shape)\n",
        entry="fast",
    )
    text = formats.export(mine, problem, "gpumode")["submission.py"]
    call = problem.make_inputs(problem.workloads[0], 1)
    x, shift, weights, shape = call.args.values()
    data = (x, {"shift": shift, "weights": [weights]}, torch.empty(shape))
    made = outputs(text, "custom_kernel", [data])[0]
    assert judge(make_truth(problem, call), outcome_of([made])).passed


def test_the_exported_checker_tells_right_from_wrong() -> None:
    candidate = Candidate(name="mine", source="def shifted(x, weight, eps):\n    return x\n", entry="shifted")
    files = formats.export(candidate, native_problem(), "gpumode")
    module = load_files({n: t for n, t in files.items() if n != "task.yml"}, "reference")
    data = module.generate_input(M=4, seed=1)
    x, weight, eps = data
    assert module.check_implementation(data, (x + eps) * weight) == (True, "")
    assert not module.check_implementation(data, (x + eps) * weight * 1.001)[0]
    assert not module.check_implementation(data, ((x + eps) * weight)[:2])[0]
    assert not module.check_implementation(data, torch.full_like(x, float("nan")))[0]


def test_what_cannot_be_exported_says_why(tmp_path: Path) -> None:
    folder = str(sol_folder(tmp_path))
    problem = formats.load_problem(folder)
    (candidate,) = formats.load_candidates(folder, problem)
    with pytest.raises(InputError, match="inputs by a function"):
        formats.export(candidate, problem, "flashinfer")
    with pytest.raises(InputError, match="choose one of kernelbench, flashinfer, gpumode, sol"):
        formats.export(candidate, problem, "cuda")
    module = Candidate(name="m", source="class ModelNew: pass\n", entry="ModelNew", kind="module")
    with pytest.raises(InputError, match="is a class"):
        formats.export(module, problem, "sol")


def test_the_command_writes_a_file_or_a_folder(
    tmp_path: Path, problem_file: str, right_file: str, tilewright: Callable[..., Any]
) -> None:
    out = tmp_path / "new.py"
    ended = tilewright("export", right_file, "--problem", problem_file, "--to", "kernelbench", "-o", str(out), "--json")
    assert (ended.code, ended.json["files"]) == (0, [str(out)])
    assert out.read_text() == Path(right_file).read_text()
    ended = tilewright("export", "rms_norm", "--to", "kernelbench")
    assert ended.code == 2
    assert "name one, such as OP:IMPL" in ended.line


def test_a_trace_keeps_every_field() -> None:
    evaluation = {"status": "PASSED", "environment": {"hardware": "X", "libs": {}}, "timestamp": "t", "new": [1]}
    line = {
        "definition": "d",
        "workload": {**WORKLOADS[0], "more": 1},
        "solution": "s",
        "evaluation": evaluation,
        "x": {},
    }
    assert parse(Trace, line, "traces.jsonl").dump() == line


def test_workloads_that_do_not_fit_one_definition_are_left_out() -> None:
    problem = native_problem()
    half = problem.workloads[1].with_(name="half", dtype="bfloat16")
    inputs = problem.inputs
    assert inputs is not None

    def cast(workload: Workload, generator: torch.Generator) -> Inputs:
        return inputs(workload, generator).cast(getattr(torch, workload.dtype))

    mixed = problem.with_(workloads=(*problem.workloads, half), inputs=cast)
    files = formats.export(Candidate(name="c", source="def f(x, w, e): return x", entry="f"), mixed, "sol")
    assert [json.loads(line)["uuid"] for line in files["workload.jsonl"].splitlines()] == ["a", "b"]
    assert json.loads(files["definition.json"])["axes"] == {"M": {"type": "var"}, "N": {"type": "const", "value": 6}}


@pytest.mark.parametrize(
    ("status", "theirs", "parts"),
    [
        ("PASSED", "PASSED", {"correctness", "performance"}),
        ("NONFINITE", "INCORRECT_NUMERICAL", {"correctness"}),
        ("COMPILE_TIMEOUT", "COMPILE_ERROR", set()),
        ("TIMING_INCONSISTENT", "RUNTIME_ERROR", set()),
        ("TIMEOUT", "TIMEOUT", set()),
    ],
)
def test_a_check_becomes_a_trace(tmp_path: Path, status: str, theirs: str, parts: set[str]) -> None:
    folder = str(data_set(tmp_path / "set"))
    problem = formats.load_problem(folder)
    (candidate,) = formats.load_candidates(folder, problem)
    found = Traced(candidate, "M32", status, "why", largest_error=0.5, time_s=2e-3, reference_s=5e-3)
    out = tmp_path / "new" / "traces.jsonl"
    for _ in range(2):
        write_traces(out, problem, [found], {"cpu": "a processor", "torch": "2"}, "2026-01-01T00:00:00Z")
    first, second = out.read_text().splitlines()
    assert first == second
    trace = parse(Trace, json.loads(first), "traces.jsonl").dump()
    assert trace["workload"] == WORKLOADS[1], "with every field that we do not know"
    assert (trace["definition"], trace["solution"]) == ("scaled_relu_n24", "clamp_dps")
    evaluation = trace["evaluation"]
    assert evaluation["status"] == theirs and {"correctness", "performance"} & set(evaluation) == parts
    assert evaluation["environment"] == {"hardware": "a processor", "libs": {"torch": "2"}}
    assert evaluation["log"] == f"{status}: why"
    if status == "PASSED":
        assert evaluation["correctness"] == {"max_absolute_error": 0.5}
        assert evaluation["performance"] == pytest.approx(
            {"latency_ms": 2.0, "reference_latency_ms": 5.0, "speedup_factor": 2.5}
        )


def test_a_trace_of_another_format_is_refused(tilewright: Callable[..., Any], tmp_path: Path) -> None:
    ended = tilewright("check", "rms_norm:cpp", "--trace", str(tmp_path / "t.jsonl"))
    assert ended.code == 2 and "is no problem of FlashInfer-Bench or SOL-ExecBench" in ended.line
