"""Generated row-wise Triton: as accurate as torch in Triton's interpreter, and compiled for a GPU without spills.

Whether kernels are interpreted is decided when they are read: one test runs this file again in a process that does.
"""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import test_rowwise as native
from in_process import InProcess
from test_rowwise import CASES, WORKLOAD, X, assert_as_good_as_torch, make_problem
from tilewright.build.interpreter import correct_interpreter
from tilewright.build.triton import INTERPRETER_ENVIRONMENT, facts_of, interpreting
from tilewright.candidate import Candidate, CandidateError, literal
from tilewright.formats import load_problem
from tilewright.optimize.context import Context
from tilewright.optimize.proposers import rowwise as proposer
from tilewright.optimize.rowwise import NotRowwise, generate
from tilewright.problem import Inputs, Problem, as_tuple
from tilewright.verify import verify

EXAMPLES = Path(__file__).parents[1] / "examples"
natively = pytest.mark.skipif(interpreting(), reason="once is enough, and this process interprets")
interpreted = pytest.mark.skipif(not interpreting(), reason="runs in a process of its own, which interprets")
if interpreting():
    correct_interpreter()


@pytest.fixture
def load(tmp_path: Path) -> Callable[[Candidate], Any]:
    """Return the candidate's module; Triton reads kernels from files."""

    def load(candidate: Candidate) -> Any:
        path = tmp_path / f"candidate_{candidate.digest[:12]}.py"
        path.write_text(candidate.source)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def in_triton(problem: Problem, **settings: Any) -> Candidate:
    candidate = generate(problem, WORKLOAD, "cuda")
    return candidate.with_params(settings) if settings else candidate


def check(load: Callable[[Candidate], Any], problem: Problem, candidate: Candidate, seed: int = 1) -> Any:
    """Compare with torch on one draw of inputs, and return the candidate's module."""
    module = load(candidate)
    call = problem.make_inputs(WORKLOAD, seed)
    assert_as_good_as_torch(problem, call, as_tuple(getattr(module, candidate.entry)(*call.args.values())))
    return module


def judged(load: Callable[[Candidate], Any], problem: Problem, candidate: Candidate) -> None:
    """Fail unless the judge passes it."""
    problem = problem.with_(workloads=(WORKLOAD,))
    session = InProcess(getattr(load(candidate), candidate.entry), problem)
    verdict = verify(session, problem, tier="screen", seed=20_26, grads=False)
    assert verdict.status == "PASSED", [w.detail for w in verdict.workloads]


@natively
def test_everything_else_in_the_interpreter() -> None:
    environment = {**os.environ, **INTERPRETER_ENVIRONMENT, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "passed" in done.stdout


# In the interpreter ---------------------------------------------------------------------------------------------------


@interpreted
@pytest.mark.parametrize("name", CASES)
def test_the_judge_passes_it(name: str, load: Callable[[Candidate], Any]) -> None:
    fn, *specs = CASES[name]
    problem = make_problem(fn, *specs)
    judged(load, problem, in_triton(problem, ROWS=8, LANES=0))  # the interpreter's time is that of programs and parts


SETTINGS: dict[str, dict[str, int]] = {
    "default": {},
    "several rows, parts": {"ROWS": 4, "LANES": 64, "EARLY": 0},
    "looped": {"LOOP": 1, "BLOCK": 64, "ROWS": 2},
    "looped, hints": {"LOOP": 1, "BLOCK": 128, "ROWS": 4, "EVICT": 1},
}


@interpreted
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("name", ["rms_norm_residual", "masked_softmax", "log_sum_exp_bias", "frobenius", "views"])
def test_every_setting_gives_the_right_result(name: str, settings: str, load: Callable[[Candidate], Any]) -> None:
    fn, *specs = CASES[name]
    problem = make_problem(fn, *specs)
    judged(load, problem, in_triton(problem, **SETTINGS[settings]))


@interpreted
def test_short_rows_many_at_a_time(load: Callable[[Candidate], Any]) -> None:
    problem = make_problem(native.softmax, (70, 51))
    for settings in ({}, {"LANES": 16, "ROWS": 64}, {"LOOP": 1, "BLOCK": 16, "ROWS": 32}):
        check(load, problem, in_triton(problem, **settings))


def cross_entropy_of_logits(x, target):
    return F.binary_cross_entropy_with_logits(x, target, reduction="none").sum(-1)


@interpreted
def test_a_cross_entropy_of_logits_takes_one_exponential(load: Callable[[Candidate], Any]) -> None:
    problem = make_problem(cross_entropy_of_logits, (9, 80), lambda g: torch.rand(9, 80, generator=g).round())
    candidate = in_triton(problem)
    kernel = candidate.source.split("def _rows0_rows_kernel")[1].split("@triton.jit")[0]
    assert kernel.count("_exp(") == 1
    judged(load, problem, candidate)


@interpreted
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("fn", [native.softmax, native.swiglu, native.gelu_chain])
def test_low_precision_inputs(fn: Any, dtype: torch.dtype, load: Callable[[Candidate], Any]) -> None:
    problem = make_problem(fn, lambda g: torch.randn(7, 62, generator=g).to(dtype))
    check(load, problem, in_triton(problem))


@interpreted
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_integers_are_exact(dtype: torch.dtype, load: Callable[[Candidate], Any]) -> None:
    problem = make_problem(native.integers_and_masks, lambda g: torch.randint(0, 200, (5, 33), generator=g).to(dtype))
    check(load, problem, in_triton(problem))
    check(load, problem, in_triton(problem, LOOP=1, BLOCK=16, ROWS=2))


SPECIAL = torch.tensor(
    [
        *([1.0, -2, 3, 0.5], [float("nan"), 1, 2, -1], [float("inf"), 1, 2, 3], [float("-inf"), 1, -0.0, 0]),
        *([88.8, -88, -103, 1e-40], [1e36, -1e36, 1e-45, 89], [float("-inf")] * 4),
    ]
)


def everything_special(x):
    return *native.everything_special(x), torch.logsumexp(x, -1)


@interpreted
@pytest.mark.parametrize("loop", [0, 1])
def test_nan_and_infinities_are_kept(loop: int, load: Callable[[Candidate], Any]) -> None:
    problem = make_problem(everything_special, lambda g: SPECIAL.repeat(1, 9))
    candidate = in_triton(problem, LOOP=loop, BLOCK=16)
    call = problem.make_inputs(WORKLOAD, 0)
    got = getattr(load(candidate), candidate.entry)(*call.args.values())
    for ours, theirs in zip(got, problem.run(call), strict=True):
        assert torch.equal(ours.isnan(), theirs.isnan())
        assert torch.equal(ours == float("inf"), theirs == float("inf"))
        assert torch.equal(ours == float("-inf"), theirs == float("-inf"))


@interpreted
@pytest.mark.parametrize("fn", native.FUNCTION_RANGES, ids=lambda fn: fn.__name__)
def test_special_functions_are_within_three_units_in_the_last_place(fn: Any, load: Callable[[Candidate], Any]) -> None:
    low, high = native.FUNCTION_RANGES[fn]

    def grid(_: Any) -> torch.Tensor:
        wide = torch.linspace(low, high, 6000, dtype=torch.float64)
        near = torch.logspace(-30, 0, 6000, dtype=torch.float64) * (high if low > 0 else min(1.0, high))
        return torch.cat([wide, near]).float().clamp(low, high).view(10, -1)

    def apply(x):
        return fn(x)

    problem = make_problem(apply, grid)
    x = problem.make_inputs(WORKLOAD, 0).args["x"]
    candidate = in_triton(problem)
    got, exact = getattr(load(candidate), candidate.entry)(x).double(), fn(x.double())
    unit = torch.nextafter(exact.float().abs(), torch.tensor(float("inf"))).double() - exact.float().abs().double()
    assert ((got - exact).abs() / unit).max().item() <= 3


@interpreted
def test_strided_inputs_and_another_number_of_rows(load: Callable[[Candidate], Any]) -> None:
    problem = make_problem(native.softmax, X)
    entry = load(in_triton(problem)).softmax
    for x in (torch.randn(301, 5).t(), torch.randn(4, 602)[:, ::2], torch.randn(0, 301)):
        before = x.clone()
        assert_as_good_as_torch(problem, Inputs(args={"x": x}), (entry(x),))
        assert torch.equal(x, before)


@interpreted
def test_places_of_64_bits(load: Callable[[Candidate], Any]) -> None:
    problem = make_problem(native.rms_norm_residual, X, X, (301,))
    for loop in (0, 1):
        module = load(in_triton(problem, LOOP=loop))
        module.WIDE_FROM = 0
        call = problem.make_inputs(WORKLOAD, 2)
        assert_as_good_as_torch(problem, call, module.rms_norm_residual(*call.args.values()))


@interpreted
def test_runs_are_bitwise_repeatable(load: Callable[[Candidate], Any]) -> None:
    problem = make_problem(native.divergence, X, X)
    call = problem.make_inputs(WORKLOAD, 7)
    entry = load(in_triton(problem)).divergence
    first = entry(*call.args.values())
    assert all(torch.equal(first, entry(*call.args.values())) for _ in range(2))


@interpreted
def test_wrong_arguments_are_named(load: Callable[[Candidate], Any]) -> None:
    entry = load(in_triton(make_problem(native.softmax, X))).softmax
    with pytest.raises(ValueError, match=r"x: this kernel was made for torch.float32 \[7, 301\].*float64"):
        entry(torch.zeros(X, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"x: .*got torch.float32 \[7, 300\]"):
        entry(torch.zeros(7, 300))
    with pytest.raises(TypeError, match="x must be a tensor, got list"):
        entry([1.0])


# Text and compilation -------------------------------------------------------------------------------------------------


@natively
def test_the_text_is_deterministic_and_its_settings_are_allowed() -> None:
    for name in ("masked_softmax", "divergence", "geglu_residual"):
        fn, *specs = CASES[name]
        problem = make_problem(fn, *specs)
        first, again = in_triton(problem), in_triton(problem)
        assert first.source == again.source
        assert first.language == "triton"
        assert literal(first.source, "PARAMS") == first.params
        assert first.space.allows(first.params)


@natively
@pytest.mark.parametrize("reason", native.REFUSED)
def test_what_is_not_row_wise_is_refused_with_a_reason(reason: str) -> None:
    with pytest.raises(NotRowwise, match=reason):
        generate(make_problem(native.REFUSED[reason], X), WORKLOAD, "cuda")


@natively
def test_a_function_without_a_formula_is_refused() -> None:
    with pytest.raises(NotRowwise, match="atanh has no Triton formula"):
        generate(make_problem(lambda x: torch.atanh(x), X), WORKLOAD, "cuda")


@natively
@pytest.mark.parametrize(("device", "language"), [("cpu", "cpp"), ("cuda", "triton")])
def test_the_device_decides_the_language(device: str, language: str) -> None:
    (candidate,) = proposer.propose(Context(make_problem(native.softmax, X), WORKLOAD, device=device))
    assert (candidate.language, candidate.origin) == (language, "rowwise")


@natively
def test_a_kernel_refuses_tensors_that_are_on_no_gpu(load: Callable[[Candidate], Any]) -> None:
    with pytest.raises(ValueError, match=r"on cuda, got torch\.float32 .*on cpu"):
        load(in_triton(make_problem(native.softmax, X))).softmax(torch.zeros(X))


COMPILED = [
    *("rms_norm_residual", "row_wise/kl_divergence", "row_wise/masked_softmax"),
    "row_wise_held_out/distributional_value",
]


@natively
@pytest.mark.parametrize("name", COMPILED)
def test_defaults_compile_for_hopper_without_spills(name: str, load: Callable[[Candidate], Any]) -> None:
    problem = load_problem(str(EXAMPLES / f"{name}.py"))
    candidate = generate(problem, problem.workloads[0], "cuda")
    call = problem.make_inputs(problem.workloads[0], 0)
    module = getattr(load(candidate), candidate.entry)(*call.init)
    with torch.no_grad():
        facts = facts_of(lambda: module(*call.args.values()), ("sm_90",))
    assert facts
    for fact in facts.values():
        assert not isinstance(fact, CandidateError), fact
        assert fact.spills == 0
        assert fact.fits


@natively
def test_a_reduction_over_all_rows_compiles(load: Callable[[Candidate], Any]) -> None:
    problem = make_problem(native.frobenius, (520, 512))
    candidate = in_triton(problem)
    entry = getattr(load(candidate), candidate.entry)
    facts = facts_of(lambda: entry(torch.empty(520, 512)), ("sm_90",))
    assert [name.partition("@")[0] for name in facts] == [
        "_rows0_rows_kernel", "_rows0_ends_kernel", "_rows1_flat_kernel"
    ]  # fmt: skip
    assert all(
        not isinstance(f, CandidateError) and f.spills == 0 and "atomic" not in f.instructions for f in facts.values()
    )


@natively
def test_settings_that_are_allowed_compile(load: Callable[[Candidate], Any]) -> None:
    problem = make_problem(native.masked_softmax, (64, 1000), lambda g: torch.rand(64, 1000, generator=g) > 0.3)
    candidate = in_triton(problem)
    allowed: list[dict[str, Any]] = []
    draw = random.Random(3)
    while len(allowed) < 4:
        params = {p.name: draw.choice(p.values) for p in candidate.space.parameters}
        if candidate.space.allows(params):
            allowed.append(params)
    for params in allowed:
        entry = getattr(load(candidate.with_params(params)), candidate.entry)
        facts = facts_of(lambda e=entry: e(torch.empty(64, 1000), torch.empty(64, 1000, dtype=torch.bool)), ("sm_90",))
        assert all(not isinstance(f, CandidateError) and f.fits for f in facts.values()), params
