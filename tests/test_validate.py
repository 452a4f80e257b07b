"""Whether a problem is fit to judge with: mutated references, flat axes, sensitivity, sizes, and bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest
import torch

from tilewright import ops
from tilewright.candidate import CandidateError
from tilewright.formats import kernelbench
from tilewright.formats._source import parse_source
from tilewright.problem import Inputs, Problem, Workload
from tilewright.verify.mutation import mutants_of, outputs_of
from tilewright.verify.validation import Findings, TooLarge, fitted, needed_bytes, validate

WORKLOAD = Workload(name="w", axes={"M": 48, "N": 96})
LIMIT = 2 << 30


def problem(reference: Callable[..., Any], **more: torch.Tensor) -> Problem:
    def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
        shape = (workload.axes["M"], workload.axes["N"])
        return Inputs({"x": torch.randn(shape, generator=generator), **more})

    return Problem(name="p", reference=reference, inputs=inputs, workloads=(WORKLOAD,))


def found(reference: Callable[..., Any], **more: torch.Tensor) -> Findings:
    return validate(problem(reference, **more), WORKLOAD, 1, LIMIT)


def test_an_ordinary_problem_is_fit_and_all_its_mutants_are_rejected() -> None:
    def layer_norm(x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return torch.relu(centred * torch.rsqrt(centred.pow(2).mean(-1, keepdim=True) + 0.01)) * 0.5

    got = found(layer_norm)
    assert got.weak == [] and got.notes == []
    assert got.mutants == got.tried == got.rejected >= 10


@pytest.mark.parametrize("name", ops.names())
def test_the_operators_are_fit(name: str) -> None:
    posed = ops.get(name)
    used = {a: s for a, s in {"M": 40, "N": 72, "K": 96}.items() if a in posed.workloads[0].axes}
    got = validate(posed, Workload(name="w", axes=used, dtype="bfloat16"), 1, LIMIT)
    assert got.weak == [] and got.rejected == got.tried > 0


def test_kinds_of_mutants() -> None:
    def reference(x: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.layer_norm((x + b).tanh().sum(-1, keepdim=True) + x * 3.0, (96,))

    inputs = problem(reference, b=torch.ones(96)).make_inputs(WORKLOAD, 1)
    texts = {m.change for m in mutants_of(problem(reference, b=torch.ones(96)), inputs)}
    assert {"tanh left out", "add that keeps argument 1 and drops the other", "3 in mul as 4.5"} <= texts
    assert "sum over axis 0 instead of 1" in texts


def test_a_mutant_changes_its_operation_and_no_other() -> None:
    posed = problem(lambda x: torch.relu(x) * 2.0)
    inputs = posed.make_inputs(WORKLOAD, 1)
    by_text = {m.change: m for m in mutants_of(posed, inputs)}
    (plain,) = outputs_of(posed, inputs, by_text["relu left out"]) or ()
    assert torch.equal(plain, inputs.args["x"] * 2)
    (tripled,) = outputs_of(posed, inputs, by_text["2 in mul as 3"]) or ()
    assert torch.equal(tripled, torch.relu(inputs.args["x"]) * 3)


def test_what_changes_nothing_is_no_mutant() -> None:
    def in_place(x: torch.Tensor) -> torch.Tensor:
        total = torch.zeros_like(x) + x.masked_fill(x > 1, float("-inf")).exp()
        return total.add_(x)

    assert found(in_place).weak == []


def test_an_operation_that_later_ones_hide_is_named() -> None:
    weak = found(lambda x: torch.relu(torch.abs(x).exp())).weak
    assert len(weak) == 1 and weak[0].startswith("relu left out") and "passes on every family" in weak[0]


def test_a_guard_against_zero_is_a_note() -> None:
    got = found(lambda x: x / (1.0 + x.abs().sum(-1, keepdim=True)).clamp(min=1e-12))
    assert got.weak == []
    assert any("clamp left out" in note for note in got.notes)


def test_flat_axes_and_inputs_that_do_not_matter() -> None:
    flat = found(lambda x: x.exp().mean(0).expand(48, 96).clone()).weak
    assert "out: its first slice along axis 0, repeated, passes" in flat
    index = torch.randint(0, 9, (5,), generator=torch.Generator().manual_seed(0))
    assert "args.i does not matter" in found(lambda x, i: x.exp(), i=index).weak
    assert "args.i does not matter" not in found(lambda x, i: x[i].exp(), i=index).weak


def test_tiny_and_few_outputs_are_noted() -> None:
    assert any("absolute tolerance would accept zeros" in n for n in found(lambda x: torch.softmax(x, -1) * 1e-4).notes)
    assert any("1 values" in n for n in found(lambda x: x.exp().mean()).notes)


def test_large_problems_are_made_smaller_or_refused() -> None:
    large = Workload(name="large", axes={"M": 1 << 17, "N": 1 << 16})
    posed = problem(lambda x: x.exp())
    assert needed_bytes(posed, large) > 100 << 30
    smaller = fitted(posed, large, LIMIT)
    assert needed_bytes(posed, smaller) <= LIMIT and smaller.axes["N"] < 1 << 16

    fixed = Problem(
        name="fixed", reference=torch.exp, workloads=(Workload(name="w"),),
        inputs=lambda w, g: Inputs({"x": torch.randn(1 << 17, 1 << 16, generator=g)}),
    )  # fmt: skip
    with pytest.raises(TooLarge, match=r"fixed at w needs about \d+\.\d GiB"):
        validate(fixed, fixed.workloads[0], 1, LIMIT)


UNSET = """
    import torch
    from torch import nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.empty(64))

        def forward(self, x, scale, shift, index):
            return (x * self.weight * scale + shift)[index]

    def get_inputs():
        return [torch.empty(32, 64), torch.ones(32, 64), torch.randn(32, 64), torch.zeros(8, dtype=torch.long)]
"""


def test_inputs_that_are_unset_or_constant_are_named(write: Any) -> None:
    source = parse_source(dedent(UNSET), "unset.py")
    posed = kernelbench.bind(Problem(name="unset", kind="module"), source)
    workload = Workload(name="w")
    weak = validate(posed, workload, 1, LIMIT).weak
    assert "args.x holds NaN" in " ".join(weak)
    assert [w.partition(":")[0] for w in weak if "constant:" in w] == [
        "args.scale is constant",
        "args.index is constant",
    ]
    weight = posed.make_inputs(workload, 1).state["weight"]
    assert len(weight.unique()) == 64 and not weight.isnan().any()  # drawn, where its constructor left it unset


def test_what_there_is_no_time_for_is_said() -> None:
    late = validate(problem(lambda x, y: x.exp() * y, y=torch.ones(96)), WORKLOAD, 1, LIMIT, limit_s=0.0)
    assert "mutants are not tried: the time was over" in late.notes and late.tried == 0
    assert "whether inputs matter was tried of 1 of 2 in 0 s" in late.notes
    assert late.weak == ["args.y is constant: a kernel that ignores its values passes"]  # what was looked at counts


def test_an_operation_that_asks_for_too_much_memory_is_no_fault_of_the_reference() -> None:
    def greedy(x: torch.Tensor) -> torch.Tensor:
        return x + torch.zeros((1 + int(x.abs().sum())) << 40)[:1]  # of a size that no shape tells

    with pytest.raises(TooLarge, match=r"p at w needs more memory than there is: .*allocate"):
        found(greedy)


def test_an_unknown_invariant_is_refused(tilewright: Any, write: Any) -> None:
    with pytest.raises(CandidateError, match="there are deterministic"):
        validate(problem(torch.exp).with_(invariants=("even",)), WORKLOAD, 1, LIMIT)


WEAK = """
    import torch
    from torch import nn

    class Model(nn.Module):
        def forward(self, x):
            return torch.clamp(torch.sigmoid(x * 2.0), max=0.0) + x.sum(-1, keepdim=True)

    def get_inputs():
        return [torch.randn(32, 64)]
"""


def test_kernelbench_files(tilewright: Any, problem_file: str, write: Any) -> None:
    start = time.perf_counter()
    good = tilewright("problem", "validate", problem_file, "--json").json
    assert good["status"] == "PASSED" and good["mutants_rejected"] == good["mutants_tried"] > 3
    assert time.perf_counter() - start < 60
    weak = tilewright("problem", "validate", write("weak.py", WEAK), "--json")
    assert weak.code == 1 and any("mul left out" in w for w in weak.json["weaknesses"])
