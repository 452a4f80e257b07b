"""Problems and candidates of other people: read, drawn from a seed, bound again, written back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tilewright import formats
from tilewright.candidate import Candidate
from tilewright.formats import InputError, _probe, kernelbench
from tilewright.problem import Problem

Write = Callable[[str, str], str]
EXAMPLE = str(Path(__file__).parents[1] / "examples" / "rms_norm_residual.py")


def test_a_kernelbench_problem_is_read(problem_file: str) -> None:
    problem = formats.load_problem(problem_file)
    assert (problem.name, problem.kind, problem.format) == ("my_problem", "module", "kernelbench")
    assert problem.signature() == ("x", "index")
    assert [w.name for w in problem.workloads] == ["24x48"]
    call = problem.make_inputs(problem.workloads[0], 7)
    (out,) = problem.run(call)
    assert out.shape == (16, 48)
    assert out.isfinite().all()


def test_a_class_may_come_by_any_statement_and_an_argument_be_a_list(write: Write) -> None:
    problem = formats.load_problem(
        write(
            "joined.py",
            """
            import torch
            class Model(torch.nn.Module):
                def forward(self, parts, scale):
                    return torch.cat(parts, 1) * scale
            def get_inputs():
                return [[torch.randn(4, 8), torch.randn(4, 2)], torch.randn(4, 1)]
            """,
        )
    )
    assert problem.workloads[0].name == "4x8"
    assert problem.run(problem.make_inputs(problem.workloads[0], 1))[0].shape == (4, 10)
    for text in ("ModelNew = Own", "try:\n    ModelNew = Own\nexcept NameError:\n    raise"):
        path = write("candidate.py", f"class Own:\n    pass\n{text}\n")
        assert formats.load_candidate(path, problem).entry == "ModelNew"


def test_inputs_come_from_the_seed_and_leave_the_callers_random_state(problem_file: str) -> None:
    problem = formats.load_problem(problem_file)
    workload = problem.workloads[0]
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = problem.make_inputs(workload, 1).tensors()
    assert torch.equal(torch.rand(3), expected)
    again, other = problem.make_inputs(workload, 1).tensors(), problem.make_inputs(workload, 2).tensors()
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not any(torch.equal(first[k], other[k]) for k in first)


def test_only_floating_tensors_are_cast(problem_file: str) -> None:
    problem = formats.load_problem(problem_file)
    workload = problem.workloads[0].with_(dtype="bfloat16")
    call = problem.make_inputs(workload, 3)
    assert call.args["x"].dtype == torch.bfloat16
    assert call.args["index"].dtype == torch.int64
    assert call.state["weight"].dtype == torch.bfloat16
    assert problem.run(call)[0].dtype == torch.bfloat16


def test_weights_are_random_and_never_default() -> None:
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(64), torch.nn.LayerNorm(64), torch.nn.Linear(64, 64))
    module.register_buffer("mask", torch.ones(64))
    with kernelbench.seeded(11):
        state = kernelbench.random_state(module)
    for name in ("0.weight", "0.bias", "0.running_mean", "0.running_var", "1.weight", "1.bias"):
        assert state[name].std() > 0.05, name
    assert (state["0.running_var"] > 0).all()
    assert torch.equal(state["mask"], torch.ones(64))
    assert state["0.num_batches_tracked"].dtype == torch.int64
    assert not torch.equal(state["2.weight"], torch.zeros(64, 64))


def test_two_names_of_one_weight_keep_one_value(write: Write) -> None:
    path = write(
        "tied.py",
        """
        import torch
        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.a = torch.nn.Linear(4, 4, bias=False)
                self.b = torch.nn.Linear(4, 4, bias=False)
                self.a.weight = self.b.weight = torch.nn.Parameter(torch.ones(4, 4))
            def forward(self, x):
                return self.b(self.a(x))
        def get_inputs():
            return [torch.rand(3, 4)]
        """,
    )
    problem = formats.load_problem(path)
    call = problem.make_inputs(problem.workloads[0], 0)
    weight = call.state["a.weight"]
    assert weight.std() > 0.05
    assert torch.equal(weight, call.state["b.weight"])
    assert torch.allclose(problem.run(call)[0], call.args["x"] @ weight.T @ weight.T)


def test_a_problem_survives_json_and_is_bound_again(problem_file: str) -> None:
    problem = formats.load_problem(problem_file)
    data = Problem.from_json(problem.to_json())
    assert data.reference is None
    assert data.digest == problem.digest
    again = formats.bind(data)
    workload = problem.workloads[0]
    ours, theirs = problem.make_inputs(workload, 4), again.make_inputs(workload, 4)
    assert torch.equal(problem.run(ours)[0], again.run(theirs)[0])


def test_two_outputs_and_names_from_a_dict(write: Write) -> None:
    path = write(
        "two.py",
        """
        import torch
        class Model(torch.nn.Module):
            def forward(self, x):
                return {"low": x - 1, "high": x + 1}
        def get_inputs():
            return [torch.rand(4, 5)]
        def get_init_inputs():
            return []
        """,
    )
    problem = formats.load_problem(path)
    assert problem.outputs == ("low", "high")
    assert len(problem.run(problem.make_inputs(problem.workloads[0], 0))) == 2


def test_the_example_is_llama_3_8b_rms_norm() -> None:
    problem = formats.load_problem(EXAMPLE)
    assert problem.workloads[0].name == "2048x4096"
    assert problem.workloads[0].dtype == "float32"
    assert len(problem.outputs) == 2


def test_a_candidate_is_read_without_being_run(problem_file: str, write: Write, tmp_path: Path) -> None:
    path = write(
        "tuned.py",
        f"""
        open({str(tmp_path / "ran")!r}, "w").close()
        import torch
        PARAMS = {{"BLOCK": 256, "VECTOR": 4}}
        SPACE = {{"BLOCK": [128, 256], "VECTOR": [1, 4]}}
        CONSTRAINTS = ["BLOCK % VECTOR == 0"]
        SOURCE = r'''extern "C" void f(float* x) {{}}'''
        class ModelNew(torch.nn.Module):
            pass
        """,
    )
    candidate = formats.load_candidate(path, formats.load_problem(problem_file))
    assert (candidate.entry, candidate.kind, candidate.language) == ("ModelNew", "module", "cpp")
    assert candidate.params == {"BLOCK": 256, "VECTOR": 4}
    assert candidate.space.size == 4
    assert candidate.with_params({"BLOCK": 128}).params["BLOCK"] == 128
    assert not (tmp_path / "ran").exists()
    assert "tuned" not in sys.modules


NATIVE = """
    import torch
    from tilewright import Inputs, Problem, Workload

    def double(x, factor):
        return x * factor

    def inputs(workload, generator):
        return Inputs(args={"x": torch.randn(workload.axes["N"], generator=generator), "factor": 2.0})

    PROBLEM = Problem(name="double", reference=double, inputs=inputs, workloads=(Workload(name="n", axes={"N": 9}),))
"""

TRITON = """
    import triton
    import triton.language as tl

    @triton.jit
    def _double_fwd_kernel(x, out, factor, N, BLOCK: tl.constexpr):
        i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
        tl.store(out + i, tl.load(x + i, mask=i < N) * factor, mask=i < N)

    def double(x, factor):
        out = x.new_empty(x.shape)
        _double_fwd_kernel[(1,)](x, out, factor, x.numel(), 1024)
        return out
"""


def test_native_problems_and_triton_kernels(write: Write) -> None:
    problem = formats.load_problem(write("double_problem.py", NATIVE))
    assert (problem.name, problem.format) == ("double", "native")
    assert "def double" in problem.source
    candidate = formats.load_candidate(write("kernel.py", TRITON), problem)
    assert (candidate.entry, candidate.kind, candidate.language) == ("double", "function", "triton")
    named = TRITON.replace("def double", "def launch").replace(
        "import triton\n", "import triton\n    ENTRY = 'launch'\n", 1
    )
    assert formats.load_candidate(write("named.py", named), problem).entry == "launch"


def test_entry_must_exist(write: Write) -> None:
    problem = formats.load_problem(write("double_problem.py", NATIVE))
    with pytest.raises(InputError, match=r"ENTRY = 'lunch'"):
        formats.load_candidate(write("bad.py", "ENTRY = 'lunch'\ndef launch(x, factor): pass\n"), problem)
    kernels_only = TRITON[: TRITON.index("def double")]
    with pytest.raises(InputError, match=r"_double_fwd_kernel.*define double\(x, factor\)"):
        formats.load_candidate(write("kernels.py", kernels_only), problem)


def test_a_function_is_written_back_as_a_kernelbench_file(write: Write) -> None:
    problem = formats.load_problem(write("double_problem.py", NATIVE))
    source = "import torch\n\n\ndef double(x, factor):\n    return x + x * (factor - 1)\n"
    candidate = Candidate(name="double", source=source, entry="double")
    written = kernelbench.write_candidate(candidate, problem)
    names: dict[str, object] = {}
    exec(written, names)
    x = torch.arange(4.0)
    assert torch.equal(names["ModelNew"]()(x, 2.0), 2 * x)  # type: ignore[operator]


def test_a_module_candidate_is_written_back_as_it_is(problem_file: str, right_file: str) -> None:
    problem = formats.load_problem(problem_file)
    candidate = formats.load_candidate(right_file, problem)
    assert kernelbench.write_candidate(candidate, problem) == candidate.source


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("PARAMS = {'A': 1}\nSPACE = {'B': [1]}", "SPACE tunes 'B', which PARAMS does not set"),
        ("PARAMS = {'A': 1}\nSPACE = {'A': [2]}", "is none of SPACE's"),
        ("PARAMS = {'A': 1}\nSPACE = {'A': 1}", "SPACE must give a list of values"),
        ("PARAMS = make()", "PARAMS must be a literal"),
        ("PARAMS = {'A': 1}\nSPACE = {'A': [1]}\nCONSTRAINTS = ['A > 1']", "does not meet CONSTRAINTS"),
        ("PARAMS = {'A': 1}\nSPACE = {'A': [1]}\nCONSTRAINTS = ['B > 1']", "cannot be evaluated"),
    ],
)
def test_settings_that_make_no_sense(write: Write, settings: str, message: str) -> None:
    path = write("candidate.py", settings + "\nclass ModelNew: pass\n")
    with pytest.raises(InputError, match=message):
        formats.load_candidate(path, Problem(name="any", kind="module"))


@pytest.mark.parametrize(
    "constraint",
    [
        "().__class__.__base__.__subclasses__()",
        "[c for c in (A,)]",
        "(lambda: True)()",
        "A ** 9 ** 9",
        "A << 9999999999",
        "'x' * 99999999999 != A",
        "B * 99999999999 != A",
        "(A,) * 99999999999",
        "min(A, key=max)",
        "f'{A:99999999999}'",
        "open('/etc/passwd')",
        "A" + " + A" * 400,
    ],
)
def test_a_constraint_is_arithmetic_and_nothing_else(write: Write, constraint: str) -> None:
    settings = f"PARAMS = {{'A': 1, 'B': 'x'}}\nSPACE = {{'A': [1], 'B': ['x']}}\nCONSTRAINTS = [{constraint!r}]"
    with pytest.raises(InputError, match="is more than arithmetic"):
        formats.load_candidate(write("c.py", settings + "\nclass ModelNew: pass\n"), Problem(name="any", kind="module"))


def test_plain_constraints_are_kept(write: Write) -> None:
    settings = "PARAMS = {'A': 64, 'B': 'x'}\nSPACE = {'A': [64], 'B': ['x', 'y']}\n"
    settings += (
        "CONSTRAINTS = [\"B == 'x' or A * 4 % 8 == 0\", 'min(A, 7) // 2 < 9 if A > 3 else not A', \"B in ('x', 'y')\"]"
    )
    path = write("c.py", settings + "\nclass ModelNew: pass\n")
    assert formats.load_candidate(path, Problem(name="any", kind="module")).space.size == 2


def test_formats_are_found_by_listing_the_folder() -> None:
    assert list(formats.formats()) == ["kernelbench", "flashinfer", "gpumode", "sol", "triton_kernel", "native"]


def test_a_limit_of_the_caller_bounds_what_a_problem_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _probe.available_bytes()
    monkeypatch.setattr(_probe.resource, "getrlimit", lambda what: (1 << 28, 1 << 29))
    assert _probe.available_bytes() == 1 << 28 < before
