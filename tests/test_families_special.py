"""Special values: families hold them, honest kernels pass on them, and what only they show is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from in_process import InProcess
from tilewright.candidate import Status
from tilewright.problem import Inputs, Problem, Workload
from tilewright.verify import TruthCache, family_inputs, judge, make_truth
from tilewright.verify.admission import outcome_of
from tilewright.verify.families import draw
from tilewright.verify.special import SPECIAL

WORKLOAD = Workload(name="w", axes={"M": 64, "N": 48})
DTYPES = ("float32", "float16", "bfloat16")


def normal(workload: Workload, generator: torch.Generator) -> Inputs:
    return Inputs({"x": torch.randn(64, 48, generator=generator).to(getattr(torch, workload.dtype))})


def wide(workload: Workload, generator: torch.Generator) -> Inputs:
    return Inputs({"x": torch.randn(64, 512, generator=generator)})


def uniform(workload: Workload, generator: torch.Generator) -> Inputs:
    return Inputs({"x": torch.rand(64, 48, generator=generator).to(getattr(torch, workload.dtype))})


def whole(workload: Workload, generator: torch.Generator) -> Inputs:
    return Inputs({"x": torch.randint(0, 50, (64, 48), generator=generator).to(getattr(torch, workload.dtype))})


def whole_rows(workload: Workload, generator: torch.Generator) -> Inputs:
    return Inputs({"x": torch.randint(0, 50, (64, 48), generator=generator)})


def square(workload: Workload, generator: torch.Generator) -> Inputs:
    return Inputs({name: torch.randn(48, 48, generator=generator) for name in ("a", "b")})


def images(workload: Workload, generator: torch.Generator) -> Inputs:
    return Inputs({"x": torch.randn(4, 3, 16, 12, generator=generator)})


def problem(reference: Callable[..., Any], inputs: Callable[..., Inputs] = normal) -> Problem:
    return Problem(name="p", reference=reference, inputs=inputs)


def refused(
    fn: Callable[..., Any], asked: Problem, family: str, dtype: str = "float32", seed: int = 3
) -> Status | None:
    """The status of the call, None where it passes."""
    case = TruthCache().case(asked, WORKLOAD.with_(dtype=dtype), family, seed)
    assert case.inputs is not None, case.skipped
    found = judge(case.truth, InProcess(fn, asked).call(case.inputs))
    return None if found.passed else found.status


def test_what_every_special_family_holds() -> None:
    asked = problem(torch.relu)
    made = {f: family_inputs(asked, WORKLOAD, f, 5) for f in SPECIAL if f != "signed"}
    x = {family: inputs.args["x"] for family, inputs in made.items() if inputs is not None}
    odd = x["non_finite"]
    assert bool(odd.isnan().all(1).any()) and bool((odd == math.inf).all(1).any()) and bool((odd == -math.inf).any())
    assert bool((odd.isnan().sum(1) == 1).any()) and bool(odd.isfinite().all(1).any())
    assert torch.equal(x["ties"] * 8, (x["ties"] * 8).round())
    assert int((x["ties"] == 0).all(1).sum()) == 16
    assert bool(((x["ties"] * 2) % 2 == 1).any())
    assert not bool(x["zeros"].any())
    assert float(x["large"].abs().max()) > 2**22
    assert float(x["large"].abs().amax(1).min()) < 2**14
    assert family_inputs(asked, WORKLOAD, "signed", 5) is None
    pixels = problem(torch.relu, uniform)
    signed, drawn = (family_inputs(pixels, WORKLOAD, f, 5).args["x"] for f in ("signed", "normal"))
    assert torch.equal(signed.abs(), drawn) and bool((signed < 0).any()) and bool((signed > 0).any())


def test_whole_numbers_stay_whole_and_indices_stay_what_they_are() -> None:
    def drawn(workload: Workload, generator: torch.Generator) -> Inputs:
        counts = torch.randint(0, 50, (64, 48), generator=generator)
        signed = torch.randint(-8, 8, (64, 48), generator=generator, dtype=torch.int32)
        return Inputs({"x": counts.float(), "index": counts, "values": signed})

    asked = Problem(name="p", reference=lambda x, index, values: x.gather(1, index % 48) + values, inputs=drawn)
    before, made = asked.make_inputs(WORKLOAD, 5), family_inputs(asked, WORKLOAD, "large", 5)
    assert torch.equal(made.args["x"], made.args["x"].round())
    assert torch.equal(made.args["x"].diff(dim=1), before.args["x"].diff(dim=1))
    assert torch.equal(made.args["index"], before.args["index"])
    assert int(made.args["values"].abs().max()) > 1000


@pytest.mark.parametrize("family", SPECIAL)
def test_a_seed_replays_special_values(family: str) -> None:
    asked = problem(torch.relu, uniform)
    first, again = (draw(asked, WORKLOAD, family, 5).inputs.args["x"] for _ in range(2))
    assert torch.equal(first.nan_to_num(9.0), again.nan_to_num(9.0))


def quarter(x: torch.Tensor) -> torch.Tensor:
    return torch.round(x * 4) * 0.25


def by_magic_number(x: torch.Tensor) -> torch.Tensor:
    magic = 1.5 * 2.0**23
    return ((x * 4 + magic) - magic) * 0.25


def last_greatest(x: torch.Tensor) -> torch.Tensor:
    return x.shape[1] - 1 - x.flip(1).argmax(1)


def unit_rows(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)


WRONG = {
    "hides NaN": (problem(torch.relu), lambda x: torch.where(x > 0, x, 0.0), "non_finite"),
    "makes NaN of infinity": (problem(torch.relu), lambda x: x * (x > 0), "non_finite"),
    "makes NaN of infinity in images": (problem(torch.relu, images), lambda x: x * (x > 0), "non_finite"),
    "skips NaN in a maximum": (problem(lambda x: x.amax(1)), lambda x: x.nan_to_num(-9.0).amax(1), "non_finite"),
    "rounds halves up": (problem(quarter), lambda x: torch.floor(x * 4 + 0.5) * 0.25, "ties"),
    "rounds by a magic number": (problem(quarter, wide), by_magic_number, "large"),
    "divides by zero": (problem(unit_rows), lambda x: x / x.norm(dim=1, keepdim=True), "ties"),
    "divides zeros": (problem(unit_rows), lambda x: x / x.norm(dim=1, keepdim=True), "zeros"),
    "compares in bfloat16": (problem(lambda x: x.argmax(1), whole), lambda x: x.bfloat16().argmax(1), "large"),
    "takes the last": (problem(lambda x: x.argmax(1), whole), last_greatest, "normal"),
    "trusts the sign": (problem(torch.relu, uniform), lambda x: x.clone(), "signed"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_only_special_values_show(what: str) -> None:
    asked, wrong, family = WRONG[what]
    assert refused(wrong, asked, family) in (Status.NONFINITE, Status.INCORRECT_NUMERICAL)
    assert refused(asked.reference, asked, family) is None


def online_softmax(x: torch.Tensor) -> torch.Tensor:
    wide = x.float()
    top, total = torch.full((x.shape[0], 1), -torch.inf), torch.zeros(x.shape[0], 1)
    for part in wide.split(16, 1):
        higher = torch.maximum(top, part.amax(1, keepdim=True))
        shift = torch.where(higher == -torch.inf, 0.0, higher)  # a block of masked scores has no maximum
        total = total * torch.exp(top - shift) + torch.exp(part - shift).sum(1, keepdim=True)
        top = higher
    return (torch.exp(wide - top) / total).to(x.dtype)


def norm_scaled_first(x: torch.Tensor) -> torch.Tensor:
    top = x.abs().amax(1, keepdim=True)
    inverse = torch.where(top > 0, 1 / top, 0.0)
    return ((x * inverse).square().sum(1, keepdim=True).sqrt() * top).squeeze(1)


def shifted_by_fourier(x: torch.Tensor) -> torch.Tensor:
    kernel = torch.fft.rfft(torch.eye(x.shape[1], dtype=torch.float64)[1])
    return torch.fft.irfft(torch.fft.rfft(x.double()) * kernel, n=x.shape[1]).float()


HONEST = {
    "online softmax": (problem(lambda x: torch.softmax(x, 1)), online_softmax),
    "norm, scaled first": (problem(lambda x: x.norm(dim=1)), norm_scaled_first),
    "zeros left out": (problem(lambda a, b: a.tril() @ b, square), lambda a, b: below(a, b)),
    "blocks of a triangle": (
        problem(lambda a, b: (a.tril() @ b.tril()).tril(), square),
        lambda a, b: triangle_by_blocks(a, b),
    ),
    "diagonal as a scale": (problem(lambda a, b: a[0].diag() @ b, square), lambda a, b: a[0][:, None] * b),
    "order of sums": (problem(lambda a, b: (a @ b).sum(1), square), lambda a, b: a @ b.sum(1)),
    "Fourier": (problem(lambda x: x.roll(1, 1)), shifted_by_fourier),
}


def below(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.stack([a[i, : i + 1] @ b[: i + 1] for i in range(a.shape[0])])


def triangle_by_blocks(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    out = torch.zeros(a.shape[0], b.shape[1])
    for end in range(16, a.shape[0] + 1, 16):
        out[end - 16 : end, :end] = a.tril()[end - 16 : end, :end] @ b.tril()[:end, :end]
    return out


@pytest.mark.parametrize("what", HONEST)
def test_other_ways_to_compute_pass_on_special_values(what: str) -> None:
    asked, honest = HONEST[what]
    for seed in range(3):
        for family in ("non_finite", "zeros"):
            assert refused(honest, asked, family, seed=seed) is None, family


@pytest.mark.parametrize("dtype", DTYPES)
def test_special_values_in_every_dtype(dtype: str) -> None:
    asked = problem(lambda x: torch.softmax(x.float(), 1).to(x.dtype))
    for family in ("non_finite", "ties", "zeros", "large"):
        assert refused(online_softmax, asked, family, dtype) is None, family
    assert refused(lambda x: online_softmax(x.nan_to_num(0.0)), asked, "non_finite", dtype) is Status.NONFINITE


def test_nothing_is_asked_of_integers_made_of_nan() -> None:
    asked = problem(lambda x: x.argmax(1))
    assert "integers" in TruthCache().case(asked, WORKLOAD, "non_finite", 3).skipped


def test_a_domain_without_an_answer_is_skipped() -> None:
    asked = problem(torch.log, uniform)
    assert "not finite" in TruthCache().case(asked, WORKLOAD, "signed", 3).skipped
    assert "not finite" in TruthCache().case(asked, WORKLOAD, "zeros", 3).skipped


def test_a_jump_that_nothing_was_rounded_for_has_one_right_side() -> None:
    call = Inputs({"x": torch.arange(-64, 64).view(2, 64) / 2})
    exact, rounded = make_truth(problem(torch.round), call), make_truth(problem(lambda x: torch.round(x / 0.3)), call)
    assert exact.outputs[0].open_RN is None
    assert rounded.outputs[0].open_RN is not None
    up = torch.floor(call.args["x"] + 0.5)
    assert not judge(exact, outcome_of([up])).passed


@pytest.mark.parametrize("family", ["normal", "cancellation"])
def test_a_chain_of_products_may_be_associated_either_way(family: str) -> None:
    def drawn(workload: Workload, generator: torch.Generator) -> Inputs:
        shapes = {"a": (96, 96), "b": (96, 96), "c": (96, 4)}
        return Inputs({name: torch.randn(shape, generator=generator) for name, shape in shapes.items()})

    asked = problem(lambda a, b, c: (a @ b) @ c, drawn)
    assert refused(lambda a, b, c: a @ (b @ c), asked, family) is None
    assert refused(lambda a, b, c: (a.bfloat16().float() @ b) @ c, asked, family) is Status.INCORRECT_NUMERICAL


def places_of_values(x: torch.Tensor) -> torch.Tensor:
    values = x.topk(5, 1).values
    return (x[:, None] == values[..., None]).int().argmax(-1)  # of equal ones always the first


def by_stable_sort(x: torch.Tensor) -> torch.Tensor:
    return x.sort(stable=True, dim=1, descending=True).indices[:, :5]


def test_of_equal_elements_topk_may_name_any_but_none_twice() -> None:
    asked = problem(lambda x: x.topk(5, 1).indices)
    for family in ("normal", "ties", "zeros"):
        assert refused(by_stable_sort, asked, family) is None
    assert refused(places_of_values, asked, "normal") is None
    assert refused(places_of_values, asked, "ties") is Status.INCORRECT_NUMERICAL
    assert refused(places_of_values, asked, "zeros") is Status.INCORRECT_NUMERICAL
    assert refused(lambda x: by_stable_sort(x) + 64 * (x == 0).all(1, keepdim=True), asked, "zeros") is not None


@pytest.mark.parametrize("whole_numbers", [False, True])
def test_a_stable_sort_has_one_order(whole_numbers: bool) -> None:
    drawn = whole_rows if whole_numbers else normal
    backwards = lambda x: x.sort(dim=1, stable=True).indices.flip(1)  # noqa: E731
    unstable = problem(lambda x: x.sort(dim=1, descending=True).indices, drawn)
    stable = problem(lambda x: x.sort(dim=1, descending=True, stable=True).indices, drawn)
    family = "few_values" if whole_numbers else "ties"
    assert refused(backwards, unstable, family) is None
    assert refused(lambda x: x.sort(dim=1, descending=True, stable=True).indices, stable, family) is None
    assert refused(backwards, stable, family) is Status.INCORRECT_NUMERICAL


def by_maxima(x: torch.Tensor) -> torch.Tensor:
    left, places = torch.softmax(x, 1), []
    for _ in range(4):
        places.append(left.argmax(1, keepdim=True))
        left = left.scatter(1, places[-1], -1.0)
    return torch.cat(places, 1)


@pytest.mark.parametrize("family", ["normal", "mixed", "large"])
def test_places_of_elements_that_came_out_equal_are_free(family: str) -> None:
    """A softmax of far scores underflows: which of its zeros a top-k names is nobody's to say."""
    asked = problem(lambda x: torch.softmax(x, 1).topk(4, 1).indices)
    assert refused(by_maxima, asked, family) is None
    assert refused(lambda x: by_maxima(x).roll(1, 1), asked, family) is Status.INCORRECT_NUMERICAL
    if family == "large":
        beyond = lambda x: by_maxima(x) + 48 * (x.amax(1, keepdim=True) > 2.0**9)  # noqa: E731
        assert refused(beyond, asked, family) is Status.INCORRECT_NUMERICAL


def bags(workload: Workload, generator: torch.Generator) -> Inputs:
    words = torch.randint(0, 48, (64, 12), generator=generator)
    return Inputs({"words": words, "table": torch.randn(48, 8, generator=generator)})


def mean_of_words(words: torch.Tensor, table: torch.Tensor, fewest: int = 1) -> torch.Tensor:
    kept = (words != 0).to(table.dtype)
    return torch.einsum("bk,bkw->bw", kept, table[words]) / kept.sum(1, keepdim=True).clamp(min=fewest)


@pytest.mark.parametrize("family", ["few_values", "ends"])
def test_rows_of_padding_alone_are_seen(family: str) -> None:
    asked = problem(mean_of_words, bags)
    assert refused(lambda words, table: mean_of_words(words, table, 0), asked, "normal") is None
    assert refused(mean_of_words, asked, family) is None
    assert refused(lambda words, table: mean_of_words(words, table, 0), asked, family) is Status.NONFINITE
