"""The tiers of checks on candidates, and the admission of problems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from in_process import InProcess
from tilewright import ops
from tilewright.candidate import CandidateError, Status
from tilewright.problem import Inputs, Problem, Workload
from tilewright.verify import EVERY, TruthCache, Verdict, admit, verify
from tilewright.verify.admission import weak_points

WORKLOAD = Workload(name="w", axes={"M": 48, "N": 96})


def rows(workload: Workload, generator: torch.Generator) -> Inputs:
    shape = (workload.axes["M"], workload.axes["N"])
    x = torch.randn(shape, generator=generator).to(getattr(torch, workload.dtype))
    return Inputs({"x": x, "weight": 1 + 0.2 * torch.randn(shape[1], generator=generator)})


def reference(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return torch.softmax(4 * x, -1) * weight


def edges() -> tuple[Workload, ...]:
    return (Workload(name="edge_1x1", axes={"M": 1, "N": 1}), Workload(name="edge_0x5", axes={"M": 0, "N": 5}))


PROBLEM = Problem(
    name="weighted_softmax", reference=reference, inputs=rows, workloads=(WORKLOAD,), grads=("x", "weight"), edges=edges
)
TRUTHS = TruthCache()


def check(fn: Callable[..., Any], tier: str, problem: Problem = PROBLEM) -> Verdict:
    return verify(InProcess(fn, problem), problem, tier=tier, seed=3, truths=TRUTHS)


def test_certify_covers_every_family_edge_and_gradient() -> None:
    verdict = check(reference, "certify")
    assert verdict.status is Status.PASSED
    assert {w.family for w in verdict.workloads} == set(EVERY)
    assert {w.name for w in verdict.workloads} == {"w", "edge_1x1", "edge_0x5"}
    assert verdict.facts == {"determinism": "bitwise", "weak": []}
    assert verdict.seeds == (3,)
    assert all(w.margins and max(w.margins.values()) <= 1 for w in verdict.workloads if w.name == "w" and not w.skipped)
    assert Verdict.from_json(verdict.to_json()) == verdict


@pytest.mark.parametrize(("tier", "calls"), [("screen", 2), ("measure", 4)])
def test_quick_tiers_are_few_calls(tier: str, calls: int) -> None:
    session = InProcess(reference, PROBLEM)
    assert verify(session, PROBLEM, tier=tier, seed=3, truths=TRUTHS).passed
    assert session.calls == calls


def test_an_unknown_tier_is_named() -> None:
    with pytest.raises(ValueError, match="no tier 'quick'"):
        check(reference, "quick")


def wrong_rows(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Right unless a row is hard: a fast path that only easy inputs survive."""
    power = torch.exp(4 * x)
    return power / power.sum(-1, keepdim=True) * weight


def test_quick_tiers_stop_at_the_first_fault_and_certify_collects_all() -> None:
    quick = check(wrong_rows, "measure")
    assert quick.status is Status.NONFINITE
    assert [w.family for w in quick.workloads] == ["normal", "mixed"]
    assert quick.detail.startswith("w, mixed inputs: out is")
    full = check(wrong_rows, "certify")
    failed = {w.family for w in full.workloads if w.name == "w" and w.status is not Status.PASSED}
    assert {"mixed", "scaled", "cancellation"} <= failed
    assert "normal" not in failed


def test_errors_of_the_candidate_are_its_verdict_and_ours_are_not() -> None:
    def raises(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        raise ValueError("no such kernel")

    verdict = check(raises, "screen")
    assert verdict.status is Status.RUNTIME_ERROR
    assert "no such kernel" in verdict.detail

    class Broken(InProcess):
        def call(self, *args: Any, **options: Any) -> Any:
            raise CandidateError(Status.INFRA_ERROR, "the wall fell")

    with pytest.raises(CandidateError, match="the wall fell"):
        verify(Broken(reference, PROBLEM), PROBLEM, tier="screen", seed=3, truths=TRUTHS)


def test_results_kept_by_shape_are_noticed() -> None:
    kept: dict[tuple[int, ...], torch.Tensor] = {}

    def remembers(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        if tuple(x.shape) not in kept:
            kept[tuple(x.shape)] = reference(x, weight)
        return kept[tuple(x.shape)].clone()

    assert check(remembers, "measure").status is Status.INCORRECT_NUMERICAL


def test_an_output_buffer_used_twice_is_noticed() -> None:
    buffers: dict[tuple[int, ...], torch.Tensor] = {}

    def reuses(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        out = buffers.setdefault(tuple(x.shape), torch.empty_like(x))
        return out.copy_(reference(x, weight))

    assert check(reuses, "measure").status is Status.ALIASED_OUTPUT


def test_inputs_changed_or_returned_are_noticed() -> None:
    def changes(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        out = reference(x, weight)
        x.zero_()
        return out

    def returns(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return x.copy_(reference(x, weight))

    assert check(changes, "screen").status is Status.MUTATED_INPUT
    assert check(returns, "screen").status in (Status.MUTATED_INPUT, Status.ALIASED_OUTPUT)


def test_wrong_gradients_are_noticed() -> None:
    def stops(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        power = torch.exp(4 * (x - x.amax(-1, keepdim=True)))
        return power / power.sum(-1, keepdim=True).detach() * weight

    verdict = check(stops, "certify")
    assert verdict.status is Status.INCORRECT_NUMERICAL
    assert verdict.detail.startswith("w, normal inputs: x:")
    assert check(stops, "measure").passed


class _Noisy:
    """Right up to one rounding that differs from call to call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        out = reference(x, weight)
        if out.numel() > 1:
            step = torch.nextafter(out[:1], out[:1] + self.calls % 2) - out[:1]
            out = torch.cat([out[:1] + step.detach(), out[1:]])
        return out


def test_repetition_is_a_class_and_a_fault_only_where_the_problem_says_so() -> None:
    verdict = check(_Noisy(), "certify")
    assert verdict.passed
    assert verdict.facts["determinism"] == "varies"
    strict = PROBLEM.with_(name="strict", invariants=("deterministic",))
    assert check(_Noisy(), "certify", strict).status is Status.NONDETERMINISTIC


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ops.names())
def test_operators_are_admitted(name: str, dtype: str) -> None:
    axes = {"M": 40, "N": 72, "K": 96}
    problem = ops.get(name)
    used = {axis: size for axis, size in axes.items() if axis in problem.workloads[0].axes}
    assert admit(problem, Workload(name="w", axes=used, dtype=dtype), 1) == []


def admitted(fn: Callable[..., Any], **others: torch.Tensor) -> list[str]:
    def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
        return Inputs({"x": torch.randn(48, 96, generator=generator), **others})

    return admit(Problem(name="weak", reference=fn, inputs=inputs), WORKLOAD, 1)


def test_looking_for_weak_points_leaves_the_truth_alone() -> None:
    def double(workload: Workload, generator: torch.Generator) -> Inputs:
        return Inputs({"x": torch.randn(12, 40, generator=generator, dtype=torch.float64)})

    problem = Problem(name="p", reference=lambda x: x.sum(-1), inputs=double, workloads=(WORKLOAD,))
    truths = TruthCache()
    before = truths.case(problem, WORKLOAD, "normal", 3).truth.outputs[0].value_RN.clone()
    truths.weak(problem, WORKLOAD, 3, weak_points)
    assert torch.equal(truths.case(problem, WORKLOAD, "normal", 3).truth.outputs[0].value_RN, before)


def test_weak_problems_say_why() -> None:
    assert "out: a copy of an input passes" in admitted(lambda x: x.clone())
    assert "out: zeros passes" in admitted(lambda x: torch.zeros_like(x))
    assert "args.x does not matter" in admitted(lambda x: torch.zeros_like(x))
    assert "out: a constant passes" in admitted(lambda x: torch.ones_like(x) * x.sum())
    assert "out: the mean of each row passes" in admitted(lambda x: x.mean(-1, keepdim=True).expand(x.shape).clone())
    assert "out: each row's result in the next row passes" in admitted(lambda x: x.exp().sum(0).expand(48, 96).clone())
    unused = admitted(lambda x, y: x.exp(), y=torch.randn(5))
    assert unused == ["args.y does not matter"]
    default = admitted(lambda x, w: x.exp() * w, w=torch.ones(96))
    assert default == ["args.w is constant: a kernel that ignores its values passes"]
    assert admitted(lambda x: x.exp()) == []


# What a public report found to accept zeros under an absolute tolerance of 1e-2: results as small as here.
SMALL_RESULTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "softmax of long rows": lambda x: torch.softmax(x, -1),
    "division by the Frobenius norm": lambda x: x / torch.norm(x, p="fro"),
    "division by the norm of rows": lambda x: x / torch.norm(x, p=2, dim=-1, keepdim=True),
    "the least of many": lambda x: x.min(-1).values,
}


@pytest.mark.parametrize("name", SMALL_RESULTS)
def test_zeros_fail_however_small_the_results_are(name: str) -> None:
    fn = SMALL_RESULTS[name]

    def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
        return Inputs({"x": torch.rand(8, 1 << 15, generator=generator)})

    right = fn(inputs(WORKLOAD, torch.Generator().manual_seed(0)).args["x"])
    assert torch.allclose(torch.zeros_like(right), right, rtol=1e-2, atol=1e-2), "a usual check takes zeros for right"
    weak = admit(Problem(name="small", reference=fn, inputs=inputs), WORKLOAD, 1)
    assert not [w for w in weak if "zero" in w]
