"""The judge is right: every wrong implementation is rejected, every honest one accepted, in every dtype."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

import pytest
import torch
from torch.nn import functional

from in_process import InProcess
from tilewright import ops
from tilewright.candidate import CandidateError, Status
from tilewright.problem import Inputs, Problem, Workload, as_tuple
from tilewright.verify import FAMILIES, Case, Judgement, TruthCache, judge, make_truth
from tilewright.verify.admission import outcome_of
from tilewright.verify.limits import FALSE_REJECTION, deviations, excess
from tilewright.verify.rounding import truncated, ulp
from wrong_implementations import ALL, Implementation, generic, lanes

WORKLOADS: dict[str, tuple[dict[str, Any], ...]] = {
    "rms_norm": ({"axes": {"M": 64, "N": 515}, "params": {"residual": True}},),
    "softmax": ({"axes": {"M": 64, "N": 515}},),
    "gemm": (
        {"axes": {"M": 40, "N": 72, "K": 332}, "params": {"bias": True, "activation": "gelu"}},
        {"axes": {"M": 64, "N": 64, "K": 64}, "params": {"bias": True, "activation": "silu"}},
    ),
}


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def cases(name: str, dtype: str) -> tuple[Case, ...]:
    kept, problem = TruthCache(), ops.get(name)
    workloads = [Workload(name=f"{name}_{i}", dtype=dtype, **w) for i, w in enumerate(WORKLOADS[name])]
    made = [kept.case(problem, w, family, seed=11) for w in workloads for family in FAMILIES]
    return tuple(c for c in made if c.truth is not None)


def judged(case: Case, fn: Callable[..., Any], problem: Problem) -> Judgement:
    try:
        outcome = InProcess(fn, problem).call(case.inputs)
    except CandidateError as failure:
        return Judgement(failure.status, detail=failure.detail)
    return judge(case.truth, outcome)


def implementations(kind: str) -> list[Any]:
    found = []
    for name in ops.names():
        listed: Sequence[Implementation] = getattr(import_module(f"wrong_{name}"), kind)
        listed = [*generic(ops.get(name).reference), *listed] if kind == "WRONG" else listed
        found += [pytest.param(name, d, i, id=f"{name}-{i.name}-{d}") for i in listed for d in i.dtypes]
    return found


@pytest.mark.parametrize(("name", "dtype", "implementation"), implementations("WRONG"))
def test_wrong_is_rejected(name: str, dtype: str, implementation: Implementation) -> None:
    problem = ops.get(name)
    found = [judged(case, implementation.fn, problem) for case in cases(name, dtype)]
    assert any(not f.passed for f in found), f"the judge accepts {implementation.name}"


@pytest.mark.parametrize(("name", "dtype", "implementation"), implementations("HONEST"))
def test_honest_is_accepted(name: str, dtype: str, implementation: Implementation) -> None:
    problem = ops.get(name)
    for case in cases(name, dtype):
        found = judged(case, implementation.fn, problem)
        assert found.passed, f"{case.family}: {found.detail}"


@pytest.mark.parametrize("name", ops.names())
def test_every_operator_has_ten_mistakes_of_its_own(name: str) -> None:
    module = import_module(f"wrong_{name}")
    assert len({i.name for i in module.WRONG}) >= 10
    assert len({i.name for i in module.HONEST}) >= 4
    assert all(i.why for i in module.WRONG if i.dtypes != ALL)


SHAPES = ((1, 7), (1, 4096), (2, 129), (7, 33), (37, 5), (96, 64))


def rejections(seeds: Sequence[int]) -> tuple[int, list[str]]:
    """Judge every honest implementation of the row operators on small and lopsided shapes; returns how many were
    judged, and those rejected."""
    count, rejected = 0, []
    for seed in seeds:
        for index, (M, N) in enumerate(SHAPES):
            family, dtype = list(FAMILIES)[(seed + 5 * index) % len(FAMILIES)], ALL[(seed + index) % 3]
            for name in ("rms_norm", "softmax"):
                case = TruthCache().case(
                    ops.get(name), Workload(name="w", axes={"M": M, "N": N}, dtype=dtype), family, seed
                )
                for honest in import_module(f"wrong_{name}").HONEST if case.inputs is not None else ():
                    found = judge(case.truth, outcome_of(as_tuple(honest.fn(*case.inputs.args.values()))))
                    count += 1
                    if not found.passed:
                        rejected.append(f"{honest.name} {M}x{N} {dtype} {family} seed {seed}: {found.detail}")
    return count, rejected


def test_few_rows_reject_nothing_honest_by_chance() -> None:
    count, rejected = rejections(range(12))
    assert count > 500
    assert rejected == []


@pytest.mark.sweep
def test_many_seeds_reject_nothing_honest_by_chance() -> None:
    count, rejected = rejections(range(100, 300))
    assert count > 10_000
    assert rejected == []


# ---- references of many kinds ----------------------------------------------------------------------------------------


def drawn(seed: int, dtype: str, **shapes: tuple[int, ...]) -> Inputs:
    generator = torch.Generator().manual_seed(seed)
    return Inputs({k: torch.randn(s, generator=generator).to(getattr(torch, dtype)) for k, s in shapes.items()})


def one_pass_layer_norm(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    n = x.shape[-1]
    wide = x.float()
    mean = lanes(wide, 8) / n
    variance = (lanes(wide * wide, 8) / n - mean * mean).clamp(min=0)
    return ((wide - mean) * torch.rsqrt(variance + 1e-5) * w + b).to(x.dtype)


def welford_layer_norm(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """16 lanes of Welford's recurrence, merged pair by pair (Chan et al.)."""
    parts = x.float().unflatten(-1, (-1, 16)).transpose(-1, -2)
    mean, spread = torch.zeros(parts.shape[:-1]), torch.zeros(parts.shape[:-1])
    for k, term in enumerate(parts.unbind(-1), 1):
        step = term - mean
        mean = mean + step / k
        spread = spread + step * (term - mean)
    count = parts.shape[-1]
    while mean.shape[-1] > 1:
        a, c = mean.chunk(2, -1)
        p, q = spread.chunk(2, -1)
        mean, spread, count = a + (c - a) / 2, p + q + (c - a) ** 2 * count / 2, 2 * count
    return ((x.float() - mean) / torch.sqrt(spread / count + 1e-5) * w + b).to(x.dtype)


@pytest.mark.parametrize("honest", [one_pass_layer_norm, welford_layer_norm])
@pytest.mark.parametrize("shift", [0.0, 5.0])
@pytest.mark.parametrize("dtype", ALL)
def test_layer_norm_by_other_algorithms(honest: Callable[..., Any], shift: float, dtype: str) -> None:
    problem = Problem(name="layer_norm", reference=lambda x, w, b: functional.layer_norm(x, x.shape[-1:], w, b))
    call = drawn(1, dtype, x=(48, 512), w=(512,), b=(512,))
    call = replace(call, args={**call.args, "x": call.args["x"] + shift})
    truth = make_truth(problem, call)
    assert judge(truth, outcome_of([honest(*call.args.values())])).passed
    biased = one_pass_layer_norm(*(a.float() for a in call.args.values())) * math.sqrt(511 / 512)
    assert not judge(truth, outcome_of([biased.to(getattr(torch, dtype))])).passed


def test_one_pass_variance_far_from_zero_is_no_excuse() -> None:
    problem = Problem(name="layer_norm", reference=lambda x, w, b: functional.layer_norm(x, x.shape[-1:], w, b))
    call = drawn(1, "float32", x=(48, 512), w=(512,), b=(512,))
    call.args["x"] += 1000.0
    truth = make_truth(problem, call)
    assert judge(truth, outcome_of([welford_layer_norm(*call.args.values())])).passed
    assert not judge(truth, outcome_of([one_pass_layer_norm(*call.args.values())])).passed


def group_norm_in_two_passes(x: torch.Tensor, width: int) -> torch.Tensor:
    parts = x.unflatten(1, (4, -1)).flatten(2)
    parts = parts - parts.mean(-1, keepdim=True)
    return (parts * torch.rsqrt(lanes(parts * parts, width) / parts.shape[-1] + 1e-3)).view(x.shape)


@pytest.mark.parametrize("width", [1, 8])
def test_squares_that_sum_exactly_in_one_pass_do_not_in_two(width: int) -> None:
    problem = Problem(name="group_norm", reference=lambda x: functional.group_norm(x, 4, eps=1e-3))
    x = (8 * drawn(1, "float32", x=(4, 16, 19, 31)).args["x"]).round() / 8
    x.view(-1, 31)[::4] = 0
    truth = make_truth(problem, Inputs({"x": x}))
    assert judge(truth, outcome_of([group_norm_in_two_passes(x, width)])).passed
    assert not judge(truth, outcome_of([group_norm_in_two_passes(x, width) * (1 + 1e-5)])).passed


def quantise(x: torch.Tensor) -> torch.Tensor:
    scale = x.abs().amax(-1, keepdim=True) / 127
    return torch.round(x / scale) * scale


def quantise_by_reciprocal(x: torch.Tensor) -> torch.Tensor:
    scale = x.abs().amax(-1, keepdim=True) / 127
    return torch.round(x * (1 / scale)) * scale


def test_beside_a_jump_either_side_is_right_and_nothing_else() -> None:
    problem = Problem(name="quantise", reference=quantise)
    call = drawn(3, "float32", x=(200, 512))
    call.args["x"][:, 1] = call.args["x"].abs().amax(-1) / 127 * 20.5  # as near to a tie as float32 can say
    truth = make_truth(problem, call)
    opened = int(truth.outputs[0].open_RN.sum())
    assert 0 < opened < 0.01 * 200 * 512
    other = quantise_by_reciprocal(call.args["x"])
    assert not torch.equal(other, quantise(call.args["x"]))  # some values do fall on the other side
    assert judge(truth, outcome_of([other])).passed
    beyond = torch.where(truth.outputs[0].open_RN, other * 1.5, other)
    assert not judge(truth, outcome_of([beyond])).passed
    coarse = torch.round(call.args["x"] * 63 / call.args["x"].abs().amax(-1, keepdim=True))
    assert not judge(truth, outcome_of([coarse * call.args["x"].abs().amax(-1, keepdim=True) / 63])).passed


def test_truth_is_float64_even_where_the_reference_says_float() -> None:
    problem = Problem(name="upcast", reference=lambda x: (x.float().exp().sum(-1) + torch.ones(x.shape[0])).to(x.dtype))
    call = drawn(4, "bfloat16", x=(64, 100))
    truth = make_truth(problem, call).outputs[0]
    exact = call.args["x"].double().exp().sum(-1) + 1
    assert truth.dtype == torch.bfloat16
    assert torch.equal(truth.value_RN.reshape(-1)[:64], exact)


def test_integers_and_booleans_are_exact() -> None:
    problem = Problem(name="argmax", outputs=("index", "mask"), reference=lambda x: (x.argmax(-1), x > 0))
    call = drawn(5, "float32", x=(50, 60))
    truth = make_truth(problem, call)
    index, mask = problem.run(call)
    assert judge(truth, outcome_of([index, mask])).passed
    one_off = index.clone()
    one_off[7] += 1
    found = judge(truth, outcome_of([one_off, mask]))
    assert found.status is Status.INCORRECT_NUMERICAL
    assert "index 7" in found.detail or "flat index 7" in found.detail
    assert judge(truth, outcome_of([index, ~mask])).output == "mask"


def test_a_scalar_is_judged() -> None:
    problem = Problem(name="loss", reference=lambda a, b: functional.mse_loss(a, b))
    call = drawn(6, "float32", a=(64, 515), b=(64, 515))
    truth = make_truth(problem, call)
    right = functional.mse_loss(*call.args.values())
    serial = lanes((call.args["a"] - call.args["b"]).square().view(1, -1), 16).view(()) / right.numel() / (64 * 515)
    assert judge(truth, outcome_of([serial])).passed
    assert not judge(truth, outcome_of([right * 1.001])).passed
    assert not judge(truth, outcome_of([torch.zeros(())])).passed


def test_inputs_on_which_the_reference_is_exact_by_luck_set_no_standard() -> None:
    """On constant rows a softmax that subtracts the maximum sums ones; one that does not sums equal rounded powers."""
    problem = Problem(name="softmax", reference=lambda x, w: torch.softmax(x, -1) * w)
    for seed in range(20):
        call = drawn(seed, "float32", x=(16, 97), w=(97,))
        call.args["x"][:] = call.args["x"][:, :1]
        power = torch.exp(call.args["x"])
        honest = power * (1 / lanes(power, 8)) * call.args["w"]
        truth = make_truth(problem, call)
        assert judge(truth, outcome_of([honest])).passed
        assert not judge(truth, outcome_of([honest * (1 + 1e-5)])).passed


def test_gradients_are_judged() -> None:
    problem = Problem(name="scale", grads=("x",), reference=lambda x, w: torch.softmax(x, -1) * w)
    call = drawn(7, "float32", x=(48, 96), w=(96,))
    seeds = (torch.randn(48, 96, generator=torch.Generator().manual_seed(1)),)
    truth = make_truth(problem, call, grads=("x",), grad_outputs=seeds)
    outcome = InProcess(problem.reference, problem).call(call, grads=("x",), grad_outputs=seeds)
    assert judge(truth, outcome).passed
    wrong = replace(outcome, grads={"x": outcome.grads["x"] * 1.01})
    assert judge(truth, wrong).output == "x"
    assert not judge(truth, wrong).passed
    assert judge(truth, replace(outcome, grads={})).status is Status.INCORRECT_SHAPE


# ---- structure and side effects --------------------------------------------------------------------------------------


@pytest.fixture
def plain() -> tuple[Any, Inputs, torch.Tensor]:
    problem = Problem(name="double", reference=lambda x: 2.0 * x)
    call = drawn(8, "float32", x=(40, 48))
    return make_truth(problem, call), call, 2.0 * call.args["x"]


def test_structure(plain: Any) -> None:
    truth, _, right = plain
    assert judge(truth, outcome_of([right])).passed
    assert judge(truth, outcome_of([right[:1]])).status is Status.INCORRECT_SHAPE
    assert judge(truth, outcome_of([right.double()])).status is Status.INCORRECT_DTYPE
    assert judge(truth, outcome_of([])).status is Status.INCORRECT_SHAPE
    assert judge(truth, outcome_of([right, right])).status is Status.INCORRECT_SHAPE
    assert judge(truth, outcome_of([right]), device="cuda").status is Status.INCORRECT_DTYPE
    no_tensor = outcome_of([right])
    no_tensor = replace(no_tensor, metas=(replace(no_tensor.metas[0], is_tensor=False),))
    assert judge(truth, no_tensor).status is Status.INCORRECT_DTYPE


@pytest.mark.parametrize("special", [float("nan"), float("inf"), float("-inf")])
def test_non_finite_values_are_named_with_their_place(plain: Any, special: float) -> None:
    truth, _, right = plain
    right[3, 5] = special
    found = judge(truth, outcome_of([right]))
    assert found.status is Status.NONFINITE
    assert "[3, 5]" in found.detail


def test_masks_of_non_finite_values_must_agree() -> None:
    problem = Problem(name="log", reference=lambda x: torch.log(x))
    call = drawn(9, "float32", x=(40, 48))
    call.args["x"][0, 0] = 0.0
    truth = make_truth(problem, call)
    right = torch.log(call.args["x"])
    assert judge(truth, outcome_of([right])).passed
    finite = torch.nan_to_num(right)
    assert judge(truth, outcome_of([finite])).status is Status.NONFINITE
    swapped = torch.where(torch.isnan(right), -math.inf, right)
    assert judge(truth, outcome_of([swapped])).status is Status.NONFINITE


def test_side_effects(plain: Any) -> None:
    truth, _, right = plain
    fine = outcome_of([right])
    assert judge(truth, replace(fine, mutated=("args.x",))).status is Status.MUTATED_INPUT
    assert judge(truth, replace(fine, out_of_bounds=("args.x",))).status is Status.OUT_OF_BOUNDS
    assert judge(truth, replace(fine, stable=False)).status is Status.ALIASED_OUTPUT
    view = replace(fine, metas=(replace(fine.metas[0], aliases=("args.x",)),))
    assert judge(truth, view).status is Status.ALIASED_OUTPUT


def test_what_the_reference_does_to_its_inputs_is_allowed() -> None:
    problem = Problem(name="in_place", outputs=("y", "view"), reference=lambda x: (x.mul_(2.0), x.view(-1)))
    call = drawn(10, "float32", x=(40, 48))
    outcome = InProcess(lambda x: (x.mul_(2.0), x.view(-1)), problem).call(call)
    assert outcome.mutated == ("args.x",)
    assert judge(make_truth(problem, call), outcome).passed


# ---- formulas --------------------------------------------------------------------------------------------------------


def test_units_in_the_last_place_match_nextafter() -> None:
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        values = torch.tensor([0.0, 1.0, 1.5, -2.0, 3.9, 1e-3, 1e-6, 60000.0], dtype=torch.float64).to(dtype)
        above = torch.nextafter(values.abs(), torch.tensor(math.inf, dtype=dtype))
        assert torch.equal(ulp(values.double(), dtype), above.double() - values.abs().double())


def test_truncation_cuts_towards_zero() -> None:
    values = torch.randn(1000, generator=torch.Generator().manual_seed(1))
    by_bits = (values.view(torch.int32) & -65536).view(torch.float32)
    assert torch.equal(truncated(values.double(), torch.bfloat16), by_bits.double())


def test_chance_bounds_hold_in_simulation() -> None:
    generator = torch.Generator().manual_seed(2)
    for samples in (1, 2, 8, 64):
        pooled = torch.randn(200_000, samples, generator=generator).square().mean(1).sqrt()
        one = torch.randn(200_000, generator=generator).abs()
        # The bound is for a probability of 1e-6; scaled to 1e-2 by its own formula it must hold as well.
        z = math.sqrt(samples * math.expm1(2 * math.log(2 / 1e-2) / samples))
        assert float((one > z * pooled).double().mean()) < 1e-2
        assert deviations(1, samples) > z
    assert deviations(1, math.inf) == pytest.approx(math.sqrt(2 * math.log(2 / FALSE_REJECTION)))
    errors = torch.randn(20_000, 30, generator=generator).square().mean(1).sqrt()
    assert float(errors.max()) < float(excess(torch.tensor([30.0]), 1))


def test_an_interpreter_that_truncates_is_allowed_that_and_no_more() -> None:
    problem = Problem(name="softmax", reference=lambda x: torch.softmax(x, -1))
    call = drawn(11, "bfloat16", x=(64, 512))
    truth = make_truth(problem, call)
    wide = torch.softmax(call.args["x"].float(), -1)

    def cut(y: torch.Tensor) -> Any:
        return outcome_of([truncated(y.double(), torch.bfloat16).to(torch.bfloat16)])

    assert not judge(truth, cut(wide)).passed
    allowed = judge(truth, cut(wide), truncating_bf16=True)
    assert allowed.passed
    assert "interpreter" in allowed.detail
    assert judge(truth, outcome_of([wide.bfloat16()]), truncating_bf16=True).passed
    for factor in (0.99, 1.01):
        assert not judge(truth, cut(wide * factor), truncating_bf16=True).passed


def test_rows_whose_squares_underflow_are_judged_like_others():
    """Standardised constant rows: their truth is a float64 rounding residue, the reference's own is plain zero."""

    def reference(x):
        centred = x - x.mean(dim=-1, keepdim=True)
        return (centred / (x.std(dim=-1, keepdim=True) + 1e-6)).clamp(-3.0, 3.0)

    def draw(workload, generator):
        x = torch.randn(64, 256, generator=generator)
        x[::8] = torch.linspace(-1, 1, 8)[:, None]
        x[1::8] *= 1e-38
        return Inputs({"x": x})

    problem = Problem(name="z", reference=reference, inputs=draw, workloads=(Workload(name="w"),))
    inputs = problem.make_inputs(problem.workloads[0], 1)
    truth = make_truth(problem, inputs)
    assert math.isfinite(truth.outputs[0].limits(False).along)
    assert judge(truth, outcome_of(problem.run(inputs))).passed
