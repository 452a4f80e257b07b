"""Input families keep what makes inputs valid and change what hides mistakes; cases are made once and replay."""

from __future__ import annotations

import pytest
import torch

from tilewright.candidate import CandidateError, Status
from tilewright.problem import Inputs, Problem, Workload
from tilewright.verify import FAMILIES, TruthCache, family_inputs
from tilewright.verify.families import draw

WORKLOAD = Workload(name="w", axes={"M": 64, "N": 48})


def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
    M, N = workload.axes["M"], workload.axes["N"]
    dtype = getattr(torch, workload.dtype)
    return Inputs(
        {
            "x": torch.randn(M, N, generator=generator).to(dtype),
            "weight": (1 + 0.2 * torch.randn(N, generator=generator)).to(dtype),
            "index": torch.randint(0, M, (M,), generator=generator),
            "keep": torch.rand(M, N, generator=generator) < 0.5,
            "rate": torch.rand(M, N, generator=generator).to(dtype),
            "odds": torch.softmax(torch.randn(M, N, generator=generator), -1).to(dtype),
            "eps": 1e-5,
        },
        state={"bias": torch.randn(N, generator=generator).to(dtype)},
    )


def reference(x: torch.Tensor, weight: torch.Tensor, *others: object) -> torch.Tensor:
    return x * weight


PROBLEM = Problem(name="p", reference=reference, inputs=inputs)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("family", FAMILIES)
def test_families_keep_what_makes_inputs_valid(family: str, dtype: str) -> None:
    workload = WORKLOAD.with_(dtype=dtype)
    drawn, made = PROBLEM.make_inputs(workload, 5), family_inputs(PROBLEM, workload, family, 5)
    for path, tensor in drawn.tensors().items():
        other = made.tensors()[path]
        assert other.shape == tensor.shape, path
        assert other.dtype == tensor.dtype, path
    for path in ("args.weight", "args.index", "args.keep", "args.odds", "state.bias"):
        assert torch.equal(made.tensors()[path], drawn.tensors()[path]), path
    assert bool((made.args["rate"] >= 0).all())
    assert made.args["eps"] == 1e-5
    assert list(made.args) == list(drawn.args)
    changed = not torch.equal(made.args["x"], drawn.args["x"])
    assert changed == (family not in ("normal", "strided"))


def test_every_family_is_what_its_name_says() -> None:
    def x(family: str) -> torch.Tensor:
        return family_inputs(PROBLEM, WORKLOAD, family, 5).args["x"]

    normal = x("normal")
    assert torch.equal(x("scaled"), 10 * normal)
    assert torch.equal(x("shifted"), normal + 5)
    assert float(x("small").abs().max()) < 0.01
    assert float(x("heavy_tail").abs().max()) > 2 * float(normal.abs().max())
    assert bool((x("constant_rows").std(-1) == 0).all())
    assert float(x("constant_rows").std()) > 0.1
    assert bool((x("positive") > 0).all())
    steps = x("structured").diff(dim=-1)
    assert float((steps - steps[:, :1]).abs().max()) < 1e-5
    pairs = x("cancellation")
    assert float(pairs.sum(-1).abs().mean()) < 0.05 * float(pairs.abs().sum(-1).mean())
    spread = x("mixed").std(-1)
    assert float(spread.max()) > 20 * float(spread[spread > 1e-5].min())
    assert not x("strided").is_contiguous()
    assert torch.equal(x("strided"), normal)


def test_tensors_with_equally_many_rows_share_the_kinds_of_a_mixed_batch() -> None:
    def two(workload: Workload, generator: torch.Generator) -> Inputs:
        return Inputs(
            {"x": torch.randn(64, 48, generator=generator), "residual": torch.randn(64, 48, generator=generator)}
        )

    made = family_inputs(Problem(name="add", reference=torch.add, inputs=two), WORKLOAD, "mixed", 5)
    small = [set((t.abs().amax(-1) < 0.01).nonzero().view(-1).tolist()) for t in made.args.values()]
    assert len(small[0]) == 8
    assert small[0] == small[1]


def test_the_ends_of_a_mixed_batch_look_like_any_other() -> None:
    for seed in range(20):
        normal, mixed = (family_inputs(PROBLEM, WORKLOAD, f, seed).args["x"] for f in ("normal", "mixed"))
        same = (normal == mixed).all(-1)
        assert bool(same[0] & same[-1])
        assert int(same.sum()) == len(same) // 8


def test_both_kinds_of_strides_are_drawn() -> None:
    strides = {family_inputs(PROBLEM, WORKLOAD, "strided", seed).args["x"].stride() for seed in (4, 5)}
    assert len(strides) == 2


def test_products_cancel_along_their_inner_axis() -> None:
    def two(workload: Workload, generator: torch.Generator) -> Inputs:
        return Inputs({"a": torch.randn(32, 64, generator=generator), "b": torch.randn(64, 40, generator=generator)})

    problem = Problem(name="gemm", reference=torch.matmul, inputs=two)
    made = family_inputs(problem, WORKLOAD, "cancellation", 1)
    terms = made.args["a"].abs() @ made.args["b"].abs()
    assert float((made.args["a"] @ made.args["b"]).abs().mean()) < 0.1 * float(terms.mean())


def test_a_seed_replays_and_another_differs() -> None:
    for family in FAMILIES:
        first, again, other = (family_inputs(PROBLEM, WORKLOAD, family, seed).args["x"] for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


def test_masks_are_left_alone() -> None:
    def masked(workload: Workload, generator: torch.Generator) -> Inputs:
        x = torch.randn(32, 32, generator=generator)
        return Inputs({"x": x, "mask": torch.zeros(32, 32).masked_fill(x > 1, float("-inf"))})

    problem = Problem(name="masked", reference=lambda x, mask: torch.softmax(x + mask, -1), inputs=masked)
    for family in FAMILIES:
        made = family_inputs(problem, WORKLOAD, family, 3)
        assert torch.equal(made.args["mask"], problem.make_inputs(WORKLOAD, 3).args["mask"])


def test_no_room_for_a_family_gives_a_reason() -> None:
    def probabilities(workload: Workload, generator: torch.Generator) -> Inputs:
        return Inputs({"p": torch.rand(8, 8, generator=generator).softmax(-1)})

    odds = Problem(name="odds", reference=torch.log, inputs=probabilities)
    found = draw(odds, WORKLOAD, "scaled", 1)
    assert found.inputs is None
    assert "domain" in found.reason
    assert draw(odds, WORKLOAD, "normal", 1).inputs is not None


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(KeyError, match="no input family 'weird'"):
        family_inputs(PROBLEM, WORKLOAD, "weird", 1)


def logarithm(x: torch.Tensor) -> torch.Tensor:
    if bool((x > 50).any()):
        raise ValueError("too large")
    return torch.log(x + 10)


def small(workload: Workload, generator: torch.Generator) -> Inputs:
    return Inputs({"x": torch.randn(64, 48, generator=generator)})


def test_families_that_leave_the_domain_are_skipped_with_a_reason() -> None:
    problem, kept = Problem(name="log", reference=logarithm, inputs=small), TruthCache()
    assert kept.case(problem, WORKLOAD, "normal", 1).skipped == ""
    assert "not finite" in kept.case(problem, WORKLOAD, "scaled", 1).skipped
    assert "too large" in kept.case(problem, WORKLOAD, "heavy_tail", 1).skipped


def test_a_reference_that_fails_on_its_own_inputs_is_invalid() -> None:
    problem = Problem(name="bad", reference=lambda x: x @ x, inputs=small)
    with pytest.raises(CandidateError) as caught:
        TruthCache().case(problem, WORKLOAD, "normal", 1)
    assert caught.value.status is Status.INVALID_REFERENCE


def test_truths_are_made_once_and_memory_is_bounded() -> None:
    calls = []

    def counted(x: torch.Tensor) -> torch.Tensor:
        calls.append(x.dtype)
        return torch.exp(x)

    problem, kept = Problem(name="exp", reference=counted, inputs=small), TruthCache(limit_bytes=400_000)
    first = kept.case(problem, WORKLOAD, "normal", 1)
    made = len(calls)
    assert kept.case(problem, WORKLOAD, "normal", 1) is first
    assert len(calls) == made
    for seed in range(2, 40):
        kept.case(problem, WORKLOAD, "normal", seed)
    assert kept.nbytes <= 400_000
    call = problem.make_inputs(WORKLOAD, 7)
    assert kept.get(problem, call, key="timed") is kept.get(problem, call, key="timed")


@pytest.mark.parametrize("family", ["positive", "heavy_tail", "ties", "large", "non_finite"])
def test_edges_stay_sorted(family: str) -> None:
    def drawn(workload: Workload, generator: torch.Generator) -> Inputs:
        return Inputs({"x": torch.randn(500, generator=generator), "edges": torch.linspace(-2, 2, 17)})

    asked = Problem(name="bins", reference=torch.bucketize, inputs=drawn)
    made = family_inputs(asked, WORKLOAD, family, 5)
    assert made is not None
    assert torch.equal(made.args["edges"], torch.linspace(-2, 2, 17))
    assert not torch.equal(made.args["x"], asked.make_inputs(WORKLOAD, 5).args["x"])


def test_what_is_sorted_and_alone_is_changed_all_the_same() -> None:
    asked = Problem(name="wave", reference=torch.sin, inputs=lambda w, g: Inputs({"t": torch.linspace(0, 9, 100)}))
    made = family_inputs(asked, WORKLOAD, "positive", 5)
    assert made is not None
    assert not torch.equal(made.args["t"], torch.linspace(0, 9, 100))
