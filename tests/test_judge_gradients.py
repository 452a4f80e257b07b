"""Gradients that a candidate offers without being asked, and calls that repeat others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from in_process import InProcess
from tilewright.candidate import Status
from tilewright.problem import Inputs, Problem, Workload
from tilewright.verify import TruthCache, Verdict, verify
from tilewright.verify.evidence import evidence_of
from tilewright.verify.gradients import FORWARD_ONLY, names_of


def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
    return Inputs({"x": torch.randn(48, 64, generator=generator)})


class Model(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x, -1)


class Gate(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.max_pool1d(torch.relu(x @ x.t()), 2)


PROBLEMS = {
    m: Problem(name=m.__name__, kind="module", reference=m, inputs=inputs, workloads=(Workload(name="w"),))
    for m in (Model, Gate)
}
TRUTHS = TruthCache()


def check(fn: Callable[..., Any], model: type[nn.Module] = Model) -> Verdict:
    problem = PROBLEMS[model]
    return verify(InProcess(fn, problem), problem, tier="certify", seed=3, truths=TRUTHS)


class Softmax(torch.autograd.Function):
    """`share` of the row's sum is left in the gradient: all of it is right."""

    share = 1.0

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        y = torch.softmax(x, -1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        (y,) = ctx.saved_tensors
        return y * (g - Softmax.share * (y * g).sum(-1, keepdim=True))


@pytest.mark.parametrize(("share", "status"), [(1.0, "PASSED"), (0.0, "INCORRECT_NUMERICAL")])
def test_gradients_are_judged_where_they_are_offered(share: float, status: str) -> None:
    Softmax.share = share
    verdict = check(Softmax.apply)
    assert verdict.status == status
    assert verdict.facts["gradients"] == "gradients judged: x"
    assert verdict.workloads[-1].grads == ("x",)


def test_a_forward_pass_alone_is_no_fault() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x.detach(), -1)

    verdict = check(forward)
    assert verdict.passed
    assert verdict.facts["gradients"] == FORWARD_ONLY


def test_wrong_gradients_that_torch_derives_are_told_and_decide_nothing() -> None:
    def half(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.softmax(x[:24], -1), torch.softmax(x[24:].detach(), -1)])

    verdict = check(half)
    assert verdict.passed
    assert str(verdict.facts["gradients"]).startswith("for inference only: the gradients that torch derives are wrong")


def test_a_backward_pass_that_raises_is_no_wrong_gradient() -> None:
    def spoiled(x: torch.Tensor) -> torch.Tensor:
        y = torch.exp(x - x.amax(-1, keepdim=True))
        total = y.sum(-1, keepdim=True)
        return y.div_(total)

    verdict = check(spoiled)
    assert verdict.passed
    assert "the candidate fails with" in verdict.facts["gradients"]


def test_gradients_of_kinks_pass_in_another_order() -> None:
    def backwards(x: torch.Tensor) -> torch.Tensor:
        products = x.flip(-1) @ x.flip(-1).t()
        return functional.max_pool1d(products * (products > 0), 2)

    verdict = check(backwards, Gate)
    assert verdict.passed, verdict.detail
    assert verdict.facts["gradients"] == "gradients judged: x"


def test_parameters_are_asked_for_and_tied_ones_are_not() -> None:
    class Tied(nn.Module):
        def __init__(self, tied: bool) -> None:
            super().__init__()
            self.one = nn.Linear(4, 4)
            self.two = self.one if tied else nn.Linear(4, 4)

    problem = PROBLEMS[Model].with_(reference=Tied)
    for tied, count in ((False, 5), (True, 1)):
        call = Inputs({"x": torch.ones(1, 4)}, state=Tied(tied).state_dict(), init=(tied,))
        assert len(names_of(problem, call)) == count


@pytest.mark.parametrize("honest_calls", [0, 20, 30])
def test_who_counts_calls_does_not_know_the_last(honest_calls: int) -> None:
    seen = []

    def counting(x: torch.Tensor) -> torch.Tensor:
        seen.append(None)
        y = torch.softmax(x, -1)
        return y if len(seen) <= honest_calls else y * 1.01

    verdict = check(counting)
    assert verdict.status is Status.INCORRECT_NUMERICAL
    bad = next(w for w in verdict.workloads if w.status is not Status.PASSED)
    assert bad.name == "w" and bad.seed and bad.family
    assert ("when called again" in bad.detail) == (honest_calls > 16)


def test_buffers_that_a_later_call_writes_are_told_with_the_call() -> None:
    kept: list[torch.Tensor] = []

    def one_buffer_after_twenty(x: torch.Tensor) -> torch.Tensor:
        kept.append(torch.softmax(x, -1))
        return kept[-1] if len(kept) < 20 else kept[19].copy_(kept[-1])

    verdict = check(one_buffer_after_twenty)
    assert verdict.status is Status.ALIASED_OUTPUT
    bad = next(w for w in verdict.workloads if w.status is not Status.PASSED)
    assert bad.family in ("normal", "mixed", "scaled") and bad.seed
    found = evidence_of(verdict)
    assert any("shared or changed in" in line for line in found.memory)
    assert found.workload == "w"
