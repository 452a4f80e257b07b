"""What a problem declares of its outputs is checked; narrow, packed and random outputs have rules of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from in_process import InProcess
from tilewright.candidate import CandidateError, Status
from tilewright.device import environment
from tilewright.problem import Inputs, Problem, Workload
from tilewright.verify import TruthCache, Verdict, verify

ROWS, COLUMNS = 64, 160
WORKLOAD = Workload(name="w", axes={"M": ROWS, "N": COLUMNS})


def problem(reference: Callable[..., Any], *invariants: str, dtype: torch.dtype = torch.float32) -> Problem:
    def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
        return Inputs({"x": torch.randn(ROWS, COLUMNS, generator=generator).to(dtype)})

    return Problem(name="p", reference=reference, inputs=inputs, workloads=(WORKLOAD,), invariants=invariants)


def check(posed: Problem, fn: Callable[..., Any], tier: str = "certify", seed: int = 3) -> Verdict:
    return verify(InProcess(fn, posed), posed, tier=tier, seed=seed, truths=TruthCache())


def softmax(x: torch.Tensor) -> torch.Tensor:
    return torch.softmax(x, -1)


def test_an_unknown_invariant_is_refused_with_the_list() -> None:
    with pytest.raises(CandidateError, match="'rows_sum_to_two'; there are deterministic, rows_sum_to_one"):
        check(problem(softmax, "rows_sum_to_two"), softmax)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_that_sum_to_one(dtype: torch.dtype) -> None:
    posed = problem(softmax, "rows_sum_to_one", dtype=dtype)

    def by_hand(x: torch.Tensor) -> torch.Tensor:
        power = torch.exp(x.float() - x.float().amax(-1, keepdim=True))
        return (power / power.sum(-1, keepdim=True)).to(x.dtype)

    assert check(posed, by_hand).passed
    with pytest.raises(CandidateError, match="its own reference does not keep it"):
        check(problem(torch.sigmoid, "rows_sum_to_one"), torch.sigmoid)


def test_sums_are_judged_more_finely_than_the_values() -> None:
    from tilewright.verify.invariants import sums_to_one

    posed = problem(softmax, "rows_sum_to_one", dtype=torch.bfloat16)
    case = TruthCache().case(posed, WORKLOAD, "normal", 3)
    assert case.truth is not None and case.inputs is not None
    right = softmax(case.inputs.args["x"])
    assert sums_to_one(posed, case.truth, (right,), False).passed
    found = sums_to_one(posed, case.truth, ((right.float() * 1.02).bfloat16(),), False)
    assert found.status is Status.INCORRECT_NUMERICAL and "sums to 1 +" in found.detail


def test_permuted_rows() -> None:
    posed = problem(softmax, "permutation_equivariant")
    assert "rows permuted" in {w.family for w in check(posed, softmax).workloads}

    def by_place(x: torch.Tensor) -> torch.Tensor:
        """Right only where the first row has the largest element of its column, as no permutation keeps it."""
        return softmax(x) * (1 if int(x[:, 0].argmax()) == by_place.first else 1.01)

    case = TruthCache().case(posed, WORKLOAD, "normal", 3)
    by_place.first = int(case.inputs.args["x"][:, 0].argmax())
    session = InProcess(by_place, posed)
    from tilewright.verify.verify import _Run

    run = _Run(session, posed, "certify", False, None)
    (entry,) = run.extra(case, None)
    assert entry.family == "rows permuted" and entry.status is Status.INCORRECT_NUMERICAL
    with pytest.raises(CandidateError, match="permutation_equivariant"):
        check(problem(lambda x: x.cumsum(0), "permutation_equivariant"), lambda x: x.cumsum(0))


def test_monotonic_outputs() -> None:
    posed = problem(torch.tanh, "monotonic")
    assert "input raised" in {w.family for w in check(posed, torch.tanh).workloads}
    calls = []

    def falls(x: torch.Tensor) -> torch.Tensor:
        """Each later call is lower by three units: below what the numbers alone would tell."""
        calls.append(1)
        return torch.tanh(x)

    assert check(posed, falls).passed
    with pytest.raises(CandidateError, match="monotonic"):
        check(problem(torch.sin, "monotonic"), torch.sin)


def test_a_fall_is_found_where_it_is() -> None:
    from tilewright.verify.invariants import extra_calls, not_fallen

    posed = problem(torch.tanh, "monotonic")
    case = TruthCache().case(posed, WORKLOAD, "normal", 3)
    (extra,) = extra_calls(posed, case, None)
    before, after = (torch.tanh(c.inputs.args["x"]) for c in (case, extra.case))
    assert extra.slack is not None and not_fallen(case, extra.slack, before, after).passed
    after[5, 6] = before[5, 6] - 1e-4
    found = not_fallen(case, extra.slack, before, after)
    assert found.status is Status.INCORRECT_NUMERICAL and "[5, 6]" in found.detail


# Outputs of few bits.

FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)


@pytest.mark.parametrize("dtype", FLOAT8)
def test_float8_outputs(dtype: torch.dtype) -> None:
    largest = torch.finfo(dtype).max

    def quantise(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale = x.abs().amax(-1, keepdim=True).clamp(min=1e-12) / largest
        return (x / scale).to(dtype), scale

    def other_order(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale = x.abs().amax(-1, keepdim=True).clamp(min=1e-12) * (1 / largest)
        return (x * torch.reciprocal(scale)).to(dtype), scale

    def cut(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale = quantise(x)[1]
        return (x / scale * 0.97).to(dtype), scale

    def shifted(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, scale = quantise(x)
        return values.view(torch.uint8).roll(1, -1).view(dtype), scale

    posed = problem(quantise)
    assert check(posed, other_order).passed, check(posed, other_order).detail
    assert check(posed, cut, "measure").status is Status.INCORRECT_NUMERICAL
    assert check(posed, shifted, "measure").status is Status.INCORRECT_NUMERICAL
    assert check(posed, lambda x: (quantise(x)[0].float(), quantise(x)[1])).status is Status.INCORRECT_DTYPE


def int8_rows(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scale = x.abs().amax(-1, keepdim=True).clamp(min=1e-12) / 127.0
    return torch.round(x / scale).clamp(-128, 127).to(torch.int8), scale


def test_int8_outputs_may_fall_on_either_side_of_a_tie_and_nowhere_else() -> None:
    def other_order(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale = x.abs().amax(-1, keepdim=True).clamp(min=1e-12) / 127.0
        return torch.round(x * torch.reciprocal(scale)).clamp(-128, 127).to(torch.int8), scale

    def towards_zero(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale = int8_rows(x)[1]
        return (x / scale).clamp(-128, 127).to(torch.int8), scale

    def one_off(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, scale = int8_rows(x)
        values[7, 9] += 1 if values[7, 9] < 100 else -1
        return values, scale

    posed = problem(int8_rows)
    for seed in range(4):
        assert check(posed, other_order, seed=seed).passed, check(posed, other_order, seed=seed).detail
    assert check(posed, towards_zero, "measure").status is Status.INCORRECT_NUMERICAL
    found = check(posed, one_off, "measure")
    assert found.status is Status.INCORRECT_NUMERICAL and "1 of 10240 values differ by up to 1" in found.detail


def test_packed_numbers_are_judged_one_by_one() -> None:
    def pack(x: torch.Tensor, round_: Callable[..., Any] = torch.round) -> torch.Tensor:
        numbers = (round_(x * 2.0).clamp(-8, 7).to(torch.int8) & 15).to(torch.uint8)
        return numbers[..., 0::2] | (numbers[..., 1::2] << 4)

    def exchanged(x: torch.Tensor) -> torch.Tensor:
        y = pack(x)
        return (y >> 4) | (y << 4)

    posed = problem(pack, "packed_int4")
    assert check(posed, lambda x: pack(x + 0.0)).passed
    found = check(posed, exchanged, "measure")
    assert found.status is Status.INCORRECT_NUMERICAL and f"of {ROWS * COLUMNS} values" in found.detail
    assert check(posed, lambda x: pack(x, torch.floor), "measure").status is Status.INCORRECT_NUMERICAL


def test_products_of_integers_are_exact() -> None:
    def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
        draw = [torch.randint(-128, 128, (40, 48), generator=generator).to(torch.int8) for _ in range(2)]
        return Inputs({"a": draw[0], "b": draw[1]})

    def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a.int() @ b.int().T

    posed = Problem(name="int8_product", reference=product, inputs=inputs, workloads=(WORKLOAD,))
    assert check(posed, lambda a, b: (a.double() @ b.double().T).int()).passed
    assert not check(posed, lambda a, b: (a.half() @ b.half().T).int(), "measure").passed


# Draws.


def dropout(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.dropout(x, 0.25, training=True)


def sample(x: torch.Tensor) -> torch.Tensor:
    return torch.multinomial(torch.softmax(x[:, :12], -1), 30, replacement=True)


def masked(x: torch.Tensor, mask: torch.Tensor, scale: float = 1 / 0.75) -> torch.Tensor:
    return x * mask * scale


_KEPT: list[torch.Tensor] = []


def _same_mask(x: torch.Tensor) -> torch.Tensor:
    if not _KEPT or _KEPT[0].shape != x.shape:
        _KEPT[:] = [torch.rand(x.shape) >= 0.25]
    return masked(x, _KEPT[0])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("probability", lambda x: masked(x, torch.rand(x.shape) >= 0.28, 1 / 0.72)),
        ("no scale", lambda x: masked(x, torch.rand(x.shape) >= 0.25, 1.0)),
        ("one mask for all rows", lambda x: masked(x, (torch.rand(x.shape[-1:]) >= 0.25).expand(x.shape))),
        ("whole rows", lambda x: masked(x, (torch.rand(len(x), 1) >= 0.25).expand(x.shape))),
        ("the same mask in every call", _same_mask),
        ("nothing dropped", lambda x: x.clone()),
        ("zeros", torch.zeros_like),
        ("another input's values", lambda x: masked(x.roll(1, 0), torch.rand(x.shape) >= 0.25)),
    ],
)
def test_wrong_dropout_is_rejected(name: str, wrong: Callable[..., Any]) -> None:
    found = check(problem(dropout, "random"), wrong, "measure")
    assert found.status is Status.INCORRECT_NUMERICAL, name
    assert found.workloads[-1].family == "distribution" and found.detail


def test_honest_samplers_pass() -> None:
    for seed in range(4):
        torch.manual_seed(seed)
        found = check(problem(dropout, "random"), lambda x: masked(x, torch.rand(x.shape) >= 0.25), "measure", seed)
        assert found.passed, found.detail

    def by_exponentials(x: torch.Tensor) -> torch.Tensor:
        p = torch.softmax(x[:, :12], -1)
        race = torch.empty(30, *p.shape).exponential_()
        return (p / race).argmax(-1).T.contiguous()

    for seed in range(3):
        found = check(problem(sample, "random"), by_exponentials, "certify", seed)
        assert found.passed, found.detail
        assert found.facts["determinism"] == "random"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: sample(x * 0.9),
        lambda x: sample(x.roll(1, 0)),
        lambda x: sample(x).sort(-1).values,
        lambda x: torch.softmax(x[:, :12], -1).argmax(-1, keepdim=True).expand(-1, 30).clone(),
    ],
)
def test_wrong_samplers_are_rejected(wrong: Callable[..., Any]) -> None:
    assert check(problem(sample, "random"), wrong, "certify").status is Status.INCORRECT_NUMERICAL


def test_shapes_of_draws_are_judged_like_any_others_and_a_reference_must_draw() -> None:
    found = check(problem(sample, "random"), lambda x: sample(x)[:, :5], "measure")
    assert found.status is Status.INCORRECT_SHAPE
    with pytest.raises(CandidateError, match="declares random, and its reference gives the same"):
        check(problem(torch.tanh, "random"), torch.tanh, "measure")


def test_flags_of_reduced_precision_are_recorded() -> None:
    flags = environment()["precision"]
    assert set(flags) >= {"matmul_tf32", "cudnn_tf32", "float32_matmul", "fp16_reduction", "bf16_reduction"}
