"""Problems and kernels of FlashInfer-Bench, SOL-ExecBench and GPU MODE: read, drawn, judged, or refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from foreign import (
    DEFINITION,
    KERNEL,
    SOL_SOLUTION,
    SOLUTION,
    TASK_FILES,
    TASK_YML,
    WORKLOADS,
    data_set,
    put,
    safetensors,
    sol_folder,
    task_folder,
)
from tilewright import formats
from tilewright.candidate import CandidateError
from tilewright.formats import InputError, MachineError, _probe_main, _trace_set, gpumode
from tilewright.formats._checker import kind_of
from tilewright.formats._safetensors import read_tensor
from tilewright.formats._trace import evaluate
from tilewright.problem import Problem
from tilewright.verify import TruthCache, judge, make_truth
from tilewright.verify.admission import admit, outcome_of


@pytest.fixture(autouse=True)
def in_this_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at problems here, without the seconds that a probe's own process takes; tests marked `probed` keep it."""
    if "probed" in request.fixturenames:
        return

    def probe(source: Any, format: str, timeout_s: float) -> dict[str, Any]:
        return formats.formats()[format].survey(source, lambda _: None, lambda call: _probe_main._outputs(call()))

    monkeypatch.setattr(_trace_set, "probe", probe)
    monkeypatch.setattr(gpumode, "probe", probe)


@pytest.fixture
def probed() -> None:
    """This test wants problems probed as users have it."""


def run_here(candidate: Any, call: Any) -> Any:
    names: dict[str, Any] = {"__name__": "candidate"}
    exec(compile(candidate.source, "candidate", "exec"), names)
    return names[candidate.entry](*call.args.values())


def test_a_data_set_is_a_problem_with_its_solution(tmp_path: Path) -> None:
    folder = str(data_set(tmp_path))
    problem = formats.load_problem(folder)
    assert (problem.name, problem.format, problem.kind) == ("scaled_relu_n24", "flashinfer", "function")
    assert [(w.name, w.axes, w.dtype) for w in problem.workloads] == [
        ("M7", {"M": 7, "N": 24}, "float32"),
        ("M32", {"M": 32, "N": 24}, "float32"),
    ]
    assert (problem.signature(), problem.outputs) == (("x", "scale"), ("y",))
    assert formats.detect_kind(folder) == "both"
    (candidate,) = formats.load_candidates(folder, problem)
    call = problem.make_inputs(problem.workloads[0], 3)
    assert torch.equal(run_here(candidate, call), problem.run(call)[0])
    assert not torch.equal(call.args["x"], problem.make_inputs(problem.workloads[0], 4).args["x"])


def test_a_solution_finds_its_definition_and_a_problem_is_bound_again(tmp_path: Path) -> None:
    data_set(tmp_path)
    solution = str(next((tmp_path / "solutions").rglob("*.json")))
    assert formats.detect_kind(solution) == "both"
    problem = formats.load_problem(solution)
    again = formats.bind(Problem.from_json(problem.to_json()))
    ours, theirs = (p.make_inputs(problem.workloads[1], 5) for p in (problem, again))
    assert torch.equal(problem.run(ours)[0], again.run(theirs)[0])
    assert formats.load_candidate(solution, again).entry == "tilewright_entry"


def test_of_many_definitions_the_candidate_says_which(tmp_path: Path) -> None:
    other = {**DEFINITION, "name": "other_relu"}
    data_set(tmp_path)
    data_set(tmp_path, other, {**SOLUTION, "definition": "other_relu", "name": "for_the_other"})
    with pytest.raises(InputError, match=r"has 2 definitions; name the file of one of them"):
        formats.load_problem(str(tmp_path))
    solution = str(tmp_path / "solutions" / "elementwise" / "other_relu" / "for_the_other.json")
    assert formats.load_problem(str(tmp_path), candidate=solution).name == "other_relu"
    with pytest.raises(InputError, match="is a solution of other_relu"):
        formats.load_candidate(solution, formats.load_problem(str(tmp_path), candidate=str(next(_solutions(tmp_path)))))


def _solutions(folder: Path) -> Any:
    return (p for p in folder.rglob("clamp_dps.json"))


def test_a_sol_folder_with_computed_axes_custom_inputs_and_two_files(tmp_path: Path) -> None:
    folder = str(sol_folder(tmp_path / "row_means"))
    problem = formats.load_problem(folder)
    assert problem.format == "sol"
    assert problem.workloads[0].axes == {"B": 5, "H": 6, "W": 13}
    assert problem.outputs == ("mean", "rows")
    call = problem.make_inputs(problem.workloads[0], 1)
    mean, rows = problem.run(call)
    assert (mean.shape, rows.shape) == ((6,), (6, 13))
    (candidate,) = formats.load_candidates(folder, problem)
    found = run_here(candidate, call)
    assert torch.equal(found[1], rows)
    assert torch.allclose(found[0], mean)


def test_random_inputs_are_valid_where_names_say_what_they_are(tmp_path: Path) -> None:
    definition = {
        **DEFINITION,
        "name": "ragged",
        "axes": {"T": {"type": "var"}, "S": {"type": "var"}, "P": {"type": "const", "value": 11}},
        "constraints": ["T == kv_indptr[-1].item()"],
        "inputs": {
            "cache": {"shape": ["P", "T"], "dtype": "bfloat16"},
            "kv_indptr": {"shape": ["S"], "dtype": "int32"},
            "pages": {"shape": ["T"], "dtype": "int32"},
            "variance": {"shape": ["T"], "dtype": "float32"},
            "probs": {"shape": ["S", "T"], "dtype": "float32"},
            "w": {"shape": ["P", "T"], "dtype": "float8_e4m3fn"},
            "mask": {"shape": ["T"], "dtype": "bool"},
        },
        "outputs": {"y": {"shape": ["T"], "dtype": "bfloat16"}},
        "reference": "def run(cache, kv_indptr, pages, variance, probs, w, mask):\n    return cache[pages.long(), 0]\n",
    }
    put(tmp_path / "definition.json", json.dumps(definition))
    put(tmp_path / "workload.jsonl", json.dumps({"uuid": "u", "axes": {"T": 40, "S": 6}, "inputs": {}}))
    problem = formats.load_problem(str(tmp_path))
    args = problem.make_inputs(problem.workloads[0], 9).args
    offsets = args["kv_indptr"].tolist()
    assert (offsets[0], offsets[-1], offsets) == (0, 40, sorted(offsets))
    assert 0 <= int(args["pages"].min()) <= int(args["pages"].max()) < 11
    assert (args["variance"] > 0).all()
    assert torch.allclose(args["probs"].sum(-1), torch.ones(6))
    assert {k: str(t.dtype) for k, t in args.items() if k in ("cache", "w", "mask")} == {
        "cache": "torch.bfloat16",
        "w": "torch.float8_e4m3fn",
        "mask": "torch.bool",
    }


def test_inputs_from_safetensors_files(tmp_path: Path) -> None:
    x = torch.arange(7 * 24, dtype=torch.float32)
    blob = safetensors({"other": ("I8", [3], b"abc"), "key": ("F32", [7, 24], x.numpy().tobytes())})
    put(tmp_path / "blob" / "x.safetensors", blob)
    entry = {"type": "safetensors", "path": "data/blob/x.safetensors", "tensor_key": "key"}
    line = {**WORKLOADS[0], "inputs": {**WORKLOADS[0]["inputs"], "x": entry}}
    put(tmp_path / "definition.json", json.dumps(DEFINITION))
    put(tmp_path / "workload.jsonl", json.dumps(line))
    problem = formats.load_problem(str(tmp_path))
    assert torch.equal(problem.make_inputs(problem.workloads[0], 0).args["x"], x.view(7, 24))
    (tmp_path / "blob" / "x.safetensors").write_bytes(blob[:-4])
    with pytest.raises(InputError, match="truncated"):
        problem.make_inputs(problem.workloads[0], 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"", "is no safetensors file"),
        (b"\xff" * 64, "is no safetensors file"),
        (b"\x04\0\0\0\0\0\0\0nope", "header is not JSON"),
        (safetensors({"k": ("F32", [1 << 40], b"1234")}), "has 4 bytes, and its shape needs"),
        (safetensors({"k": ("X9", [1], b"1234")}), "unknown dtype"),
        (safetensors({"j": ("F32", [1], b"1234")}), "has no tensor 'k'; it has j"),
    ],
)
def test_what_is_no_safetensors_file(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_tensor(put(tmp_path / "x.safetensors", content), "k")


def _without(data: dict[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in data.items() if k != key}


BAD_DEFINITIONS = {
    "no outputs": (_without(DEFINITION, "outputs"), "is no definition: outputs: Field required"),
    "unknown axis": (
        {**DEFINITION, "axes": {"N": {"type": "const", "value": 1}}},
        "has the axis 'M', which axes does not",
    ),
    "no run": ({**DEFINITION, "reference": "x = 1"}, "defines no function run"),
    "no Python": ({**DEFINITION, "reference": "def run(:"}, "its reference is not valid Python"),
    "unknown dtype": (
        {**DEFINITION, "outputs": {"y": {"shape": ["M"], "dtype": "float12"}}},
        "'float12', which is none of",
    ),
    "huge power": (
        {**DEFINITION, "axes": {**DEFINITION["axes"], "E": {"type": "expr", "expression": "9**9**9"}}},
        "exponent over 64",
    ),
    "a call": (
        {**DEFINITION, "axes": {**DEFINITION["axes"], "E": {"type": "expr", "expression": "open('x')"}}},
        "cannot be computed",
    ),
    "an output is an input": (
        {**DEFINITION, "outputs": {"x": {"shape": ["M"], "dtype": "int8"}}},
        "both an input and an output",
    ),
    "a name that is no name": (
        {**DEFINITION, "inputs": {"x y": {"shape": ["M"], "dtype": "int8"}}},
        "cannot be the name of an argument",
    ),
}


@pytest.mark.parametrize("what", BAD_DEFINITIONS)
def test_a_definition_that_makes_no_sense(tmp_path: Path, what: str) -> None:
    definition, message = BAD_DEFINITIONS[what]
    put(tmp_path / "definition.json", json.dumps(definition))
    put(tmp_path / "workload.jsonl", json.dumps(WORKLOADS[0]))
    with pytest.raises(InputError) as found:
        formats.load_problem(str(tmp_path))
    assert message in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spec": {**SOLUTION["spec"], "entry_point": "main.py"}}, "must be FILE::FUNCTION"),
        ({"spec": {**SOLUTION["spec"], "entry_point": "other.py::run"}}, "names the file 'other.py'"),
        ({"sources": [{"path": "../main.py", "content": KERNEL}]}, "must be relative and stay inside"),
        ({"sources": [{"path": "/main.py", "content": KERNEL}]}, "must be relative and stay inside"),
        ({"sources": SOLUTION["sources"] * 2}, "two of its sources have one path"),
        ({"sources": []}, "is no solution: sources"),
        (
            {"spec": {**SOLUTION["spec"], "entry_point": "k.cu::run"}, "sources": [{"path": "k.cu", "content": "tvm"}]},
            "tvm-ffi",
        ),
    ],
)
def test_a_solution_that_makes_no_sense(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    data_set(tmp_path, DEFINITION, {**SOLUTION, **change, "name": "odd"})
    problem = formats.load_problem(str(tmp_path))
    with pytest.raises(InputError, match=message):
        formats.load_candidates(str(next(tmp_path.rglob("odd.json"))), problem)


def test_whole_numbers_only_from_arithmetic() -> None:
    assert evaluate("-(H + 1) * 2 % 7 + 6 / 2", {"H": 4}, "x") == -10 % 7 + 3
    for bad in ("H / 3", "H.real", "(lambda: 1)()", "2 ** 63", "1 if H else 2", "1 / 0", "(" * 200 + ")" * 200):
        with pytest.raises(InputError, match="cannot be computed"):
            evaluate(bad, {"H": 4}, "x")


def test_a_task_folder_is_a_problem_with_its_submission(tmp_path: Path) -> None:
    folder = str(task_folder(tmp_path / "row_shift"))
    problem = formats.load_problem(folder)
    assert (problem.name, problem.format) == ("row_shift", "gpumode")
    assert [(w.name, w.source) for w in problem.workloads] == [
        ("rows9_columns17_shift0.5", "tests"),
        ("rows3_columns33_shift1.5", "tests"),
        ("rows64_columns32_shift0.5", "benchmarks"),
    ]
    call = problem.make_inputs(problem.workloads[0], 2)
    assert list(call.args) == ["x", "options_shift", "options_weights_0", "output"]
    assert call.args["output"] == [9], "what is only written to is made anew, and its argument is a shape"
    (candidate,) = formats.load_candidates(folder, problem)
    (right,) = problem.run(call)
    assert torch.allclose(run_here(candidate, call), right)
    wide = problem.run(call.cast(torch.float64))[0]
    assert wide.dtype == torch.float64
    assert not torch.equal(wide.float().double(), wide)


def test_their_generator_runs_with_our_seeds(tmp_path: Path) -> None:
    problem = formats.load_problem(str(task_folder(tmp_path / "row_shift")))
    first, again, other = (problem.make_inputs(problem.workloads[0], s).args["x"] for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_task_leaves_no_modules_behind_and_two_can_be_read(tmp_path: Path) -> None:
    import sys

    before = {n: sys.modules.get(n) for n in ("task", "utils", "reference")}
    formats.load_problem(str(task_folder(tmp_path / "one" / "a")))
    other = TASK_FILES["reference.py"].replace('+ options["shift"]', '- options["shift"]')
    second = formats.load_problem(str(task_folder(tmp_path / "two" / "b", reference=other)))
    assert {n: sys.modules.get(n) for n in before} == before
    call = second.make_inputs(second.workloads[0], 0)
    x, shift, weights = (call.args[n] for n in ("x", "options_shift", "options_weights_0"))
    assert judge(make_truth(second, call), outcome_of([x @ weights - shift])).passed


BAD_TASKS = {
    "no cases": ("files: []\n", "lists no tests"),
    "no mapping": ("- 1\n", "must be a mapping"),
    "aliases": ("a: &a [1]\nb: *a\n", "aliases"),
    "no YAML": ("{[", "is not YAML"),
    "several GPUs": ("multi_gpu: true\n" + TASK_YML, "several GPUs"),
    "another language": (TASK_YML.replace('"py"', '"cu"'), "the language is 'cu'"),
    "a file outside": (TASK_YML.replace("../utils.py", "../../../etc/passwd.py"), "lies outside"),
    "no reference": (TASK_YML.replace('"reference.py", "source"', '"other.py", "source"'), "no reference.py"),
    "cases with lists": (TASK_YML.replace('"shift": 1.5', '"shift": {1: 2}'), "neither numbers nor words"),
    "a tag": ("a: !!python/object/apply:os.system ['true']\n", "is not YAML"),
}


@pytest.mark.parametrize("what", BAD_TASKS)
def test_a_task_that_makes_no_sense(tmp_path: Path, what: str) -> None:
    text, message = BAD_TASKS[what]
    folder = task_folder(tmp_path / "deep" / "row_shift")
    put(folder / "task.yml", text)
    with pytest.raises(InputError) as found:
        formats.load_problem(str(folder))
    assert message in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (TASK_FILES["reference.py"].replace("return x, options,", "return object(), options,"), "returns a object"),
        (TASK_FILES["reference.py"].replace("def ref_kernel", "def kernel"), "defines no ref_kernel"),
        (TASK_FILES["reference.py"].replace("return output\n", "return 3\n"), "must return tensors"),
    ],
)
def test_a_reference_that_cannot_be_used(tmp_path: Path, reference: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        formats.load_problem(str(task_folder(tmp_path / "row_shift", reference=reference)))


def test_how_their_checker_judges_is_known() -> None:
    source = formats.parse_source(TASK_FILES["reference.py"], "reference.py")
    assert kind_of(source) == "reference"
    own = TASK_FILES["reference.py"].replace("compared(ref_kernel)", "lambda data, out: (out.isfinite().all(), '')")
    assert kind_of(formats.parse_source(own, "reference.py")) == "own"
    through = "def check_implementation(data, out):\n    return near(data, out)\n\ndef near(data, out):\n    return "
    kinds = {"torch.allclose(ref_kernel(data), out)": "reference", "torch.allclose(out @ out, data)": "own"}
    for words, kind in kinds.items():
        assert kind_of(formats.parse_source(through + words, "reference.py")) == kind


BASIS = """import torch


def generate_input(rows: int, columns: int, shift: float, seed: int):
    gen = torch.Generator().manual_seed(seed)
    return torch.randn(rows + columns, columns, generator=gen)


def ref_kernel(data):
    return torch.linalg.qr(data)[0]


def check_implementation(data, output):
    scale = data.abs().max()
    kept = (output @ (output.T @ data) - data).abs().max() <= 1e-4 * scale
    apart = (output.T @ output - torch.eye(data.shape[1])).abs().max() <= 1e-4
    if not bool(kept & apart):
        return False, "no orthonormal basis of the columns"
    return True, ""
"""


def test_a_checker_of_its_own_accepts_every_right_answer_and_no_other(tmp_path: Path) -> None:
    problem = formats.load_problem(str(task_folder(tmp_path / "basis", reference=BASIS)))
    problem = formats.bind(Problem.from_json(problem.to_json()))
    truths, workload = TruthCache(), problem.workloads[0]
    case = truths.case(problem, workload, "normal", 1)
    assert case.truth is not None and case.inputs is not None
    (x,) = case.inputs.args.values()
    (right,) = problem.run(case.inputs)
    flipped = right * torch.tensor([-1.0, 1.0]).repeat(9)[:17]
    for value in (right, flipped):
        assert judge(case.truth, outcome_of([value])).passed
    wrong = (torch.zeros_like(right), right * 1.01, x / x.norm(dim=0), right.roll(1, 0))
    for value in wrong:
        found = judge(case.truth, outcome_of([value]))
        assert (found.status, found.detail) == ("INCORRECT_NUMERICAL", f"the problem's own checker: {_NO_BASIS}")
    assert judge(case.truth, outcome_of([right * float("nan")])).status == "NONFINITE"
    assert judge(case.truth, outcome_of([right[:3]])).status == "INCORRECT_SHAPE"
    assert admit(problem, workload, 1) == []


_NO_BASIS = "no orthonormal basis of the columns"


def test_a_checker_is_not_asked_where_it_refuses_the_reference_itself(tmp_path: Path) -> None:
    timid = BASIS.replace("scale = data.abs().max()", "scale = data.abs().max() * (data.abs().max() < 9)")
    problem = formats.load_problem(str(task_folder(tmp_path / "timid", reference=timid)))
    scaled = TruthCache().case(problem, problem.workloads[0], "scaled", 1)
    assert scaled.truth is None and "refuses its reference on scaled inputs" in scaled.skipped
    never = BASIS.replace("return True", "return False")
    problem = formats.load_problem(str(task_folder(tmp_path / "never", reference=never)))
    with pytest.raises(CandidateError, match="checker refuses its reference on normal inputs"):
        TruthCache().case(problem, problem.workloads[0], "normal", 1)


def test_a_checker_that_accepts_anything_makes_a_problem_weak(tmp_path: Path) -> None:
    blind = BASIS.replace("if not bool(kept & apart)", "if output.isnan().any()")
    problem = formats.load_problem(str(task_folder(tmp_path / "blind", reference=blind)))
    weak = admit(problem, problem.workloads[0], 1)
    assert "out: zeros passes" in weak and "out: outputs scaled by 1.01 passes" in weak


def test_check_judges_a_submission_and_a_wrong_one(
    probed: None, tmp_path: Path, tilewright: Callable[..., Any]
) -> None:
    folder = task_folder(tmp_path / "row_shift")
    assert tilewright("check", str(folder), "--tier", "screen", "--json").json["status"] == "PASSED"
    lazy = put(tmp_path / "lazy.py", "def custom_kernel(data):\n    return data[2]\n")
    ended = tilewright("check", str(lazy), "--problem", str(folder), "--tier", "screen", "--json")
    assert ended.code == 1
    assert ended.json["status"] in ("INCORRECT_NUMERICAL", "NONFINITE")


def test_check_judges_solutions(probed: None, tmp_path: Path, tilewright: Callable[..., Any]) -> None:
    wrong = {
        **SOLUTION,
        "name": "wrong",
        "sources": [{"path": "main.py", "content": KERNEL.replace("min=0", "min=0.1")}],
    }
    data_set(tmp_path, DEFINITION, SOLUTION, wrong)
    right_file, wrong_file = (str(next(tmp_path.rglob(f"{n}.json"))) for n in ("clamp_dps", "wrong"))
    traces = tmp_path / "traces.jsonl"
    assert tilewright("check", right_file, "--tier", "screen", "--trace", str(traces)).code == 0
    written = [json.loads(line) for line in traces.read_text().splitlines()]
    assert {(t["solution"], t["evaluation"]["status"]) for t in written} == {(SOLUTION["name"], "PASSED")}
    ended = tilewright("check", wrong_file, "--problem", str(tmp_path), "--tier", "screen", "--json")
    assert (ended.code, ended.json["status"]) == (1, "INCORRECT_NUMERICAL")


def test_a_missing_package_is_named_with_its_install_line(probed: None, tmp_path: Path) -> None:
    path = put(tmp_path / "p.py", "import aiter\nclass Model: pass\ndef get_inputs(): return []\n")
    with pytest.raises(MachineError, match="needs aiter; install it with: pip install aiter"):
        formats.load_problem(str(path))


def test_two_dialects_of_one_solution(tmp_path: Path) -> None:
    assert _trace_set.find(data_set(tmp_path / "a")).dialect == "flashinfer"  # type: ignore[union-attr]
    assert _trace_set.find(sol_folder(tmp_path / "b")).dialect == "sol"  # type: ignore[union-attr]
    assert SOL_SOLUTION["spec"]["languages"] == ["pytorch"]
