"""Admission: a problem that a degenerate candidate passes can tell nothing, and says so.

The degenerate candidates work on the level of outputs: each makes what a lazy or broken kernel would return, from the
truth and the inputs of a call. All of them must fail, and the outputs must depend on every input, or the problem is
weak, with reasons.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

import torch

from ..child.outcome import Outcome, OutputMeta
from ..problem import Inputs, Problem, Workload
from .cases import Case, TruthCache
from .judge import judge
from .outputs import OutputTruth, same_values
from .truth import Truth

Degenerate = Callable[[OutputTruth, Inputs], torch.Tensor | None]


def right_values(right: OutputTruth) -> torch.Tensor:
    """Return the truth as an output: rounded to the output's dtype, in its shape, non-finite values included."""
    if right.exact is not None:
        return (right.exact if right.stored is None else right.stored).clone()
    assert right.value_RN is not None
    count = 1
    for size in right.layout.shape:
        count *= size
    value = right.value_RN.reshape(-1)[:count].view(right.layout.shape).to(right.dtype, copy=True)
    if right.codes is not None:
        for code, special in ((1, float("nan")), (2, float("inf")), (3, float("-inf"))):
            value = torch.where(right.codes == code, torch.tensor(special, dtype=right.dtype), value)
    return value


def _zeros(right: OutputTruth, inputs: Inputs) -> torch.Tensor:
    return torch.zeros_like(right_values(right))


def _constant(right: OutputTruth, inputs: Inputs) -> torch.Tensor:
    value = right_values(right)
    return value.reshape(-1)[:1].expand(value.numel()).reshape(value.shape).clone()


def _copy(right: OutputTruth, inputs: Inputs) -> torch.Tensor | None:
    """The first input of the output's shape, in the output's dtype."""
    for tensor in inputs.tensors().values():
        if tuple(tensor.shape) == right.shape and tensor.is_floating_point() == right.dtype.is_floating_point:
            return tensor.to(right.dtype).clone()
    return None


def _mean(right: OutputTruth, inputs: Inputs) -> torch.Tensor | None:
    value = right_values(right)
    if value.ndim == 0 or value.shape[-1] < 2 or not right.dtype.is_floating_point:
        return None
    return value.double().mean(-1, keepdim=True).expand(value.shape).to(right.dtype)


def _last_column_dropped(right: OutputTruth, inputs: Inputs) -> torch.Tensor | None:
    value = right_values(right)
    if value.ndim == 0 or value.shape[-1] == 0:
        return None
    value[..., -1] = 0
    return value


def _scaled(right: OutputTruth, inputs: Inputs) -> torch.Tensor | None:
    value = right_values(right)
    return (value.double() * 1.01).to(right.dtype) if right.dtype.is_floating_point else None


def _rows_rotated(right: OutputTruth, inputs: Inputs) -> torch.Tensor | None:
    """Every row gets its neighbour's result."""
    value = right_values(right)
    return value.roll(1, 0) if value.ndim > 1 and value.shape[0] > 1 else None


def _zeroed_42_percent(right: OutputTruth, inputs: Inputs) -> torch.Tensor:
    value = right_values(right)
    keep = torch.rand(value.shape, generator=torch.Generator().manual_seed(42)) >= 0.42
    return value * keep.to(value.dtype) if value.dtype != torch.bool else value & keep


DEGENERATE: dict[str, Degenerate] = {
    "zeros": _zeros,
    "a constant": _constant,
    "a copy of an input": _copy,
    "the mean of each row": _mean,
    "the last column dropped": _last_column_dropped,
    "outputs scaled by 1.01": _scaled,
    "each row's result in the next row": _rows_rotated,
    "42 % of the outputs zeroed": _zeroed_42_percent,
}


def plain(truth: Truth) -> Truth:
    """The outputs of `truth` alone: no gradients, and nothing of side effects, which made-up results do not have."""
    return Truth(truth.outputs, {}, truth.finite, accepts=truth.accepts)


def outcome_of(outputs: Sequence[torch.Tensor]) -> Outcome:
    """Wrap outputs as the outcome of a call without side effects."""
    metas = tuple(
        OutputMeta(True, tuple(o.shape), str(o.dtype).removeprefix("torch."), tuple(o.stride()), str(o.device))
        for o in outputs
    )
    return Outcome(tuple(outputs), metas)


def weak_points(problem: Problem, case: Case, moves_s: float = math.inf, notes: list[str] | None = None) -> list[str]:
    """Return what makes `problem` weak on `case`: degenerate candidates that pass, and inputs that do not matter.

    Each input costs a run of the reference; after `moves_s` seconds the rest are left out, which a note says."""
    if case.truth is None or case.inputs is None:
        return [f"no inputs to judge by: {case.skipped}"]
    if any(o.random for o in case.truth.outputs):
        return []  # draws have no values to get right; the distribution test tells them from constants
    right = [right_values(o) for o in case.truth.outputs]
    if all(r.numel() == 0 for r in right):
        return ["the outputs are empty"]
    accepted = _accepted(plain(case.truth), case.inputs, right)
    unfit = [*_unset(case.inputs), *_constant_inputs(case.inputs)]
    return [*accepted, *unfit, *_insensitive(problem, case.inputs, moves_s, notes)]


def _accepted(truth: Truth, inputs: Inputs, right: Sequence[torch.Tensor]) -> Iterator[str]:
    """The degenerate candidates that pass."""
    for name, make in DEGENERATE.items():
        for index, output in enumerate(truth.outputs):
            made = make(output, inputs) if right[index].numel() else None
            # What equals the truth bit by bit (a constant where the output has one element) is no wrong result.
            if made is None or (made.numel() == 1 and torch.equal(made, right[index])):
                continue
            if judge(truth, outcome_of([*right[:index], made, *right[index + 1 :]]), thorough=False).passed:
                yield f"{output.name}: {name} passes"


def _unset(inputs: Inputs) -> Iterator[str]:
    """Inputs that hold NaN, with which torch.empty is filled here: where the truth is NaN too, no value is judged."""
    for path, tensor in inputs.tensors().items():
        if tensor.is_floating_point() and bool(tensor.isnan().any()):
            yield f"{path} holds NaN: it is not filled (torch.empty), or has values that nothing can be judged by"


def _constant_inputs(inputs: Inputs) -> Iterator[str]:
    for path, tensor in inputs.tensors().items():
        weight = not path.startswith("args.")
        if path.startswith("init.") or tensor.numel() < 2 or (weight and not tensor.is_floating_point()):
            continue
        if bool((tensor == tensor.reshape(-1)[0]).all()) and not path.endswith("_mask"):
            yield f"{path} is constant: a kernel that ignores its values passes"


def _insensitive(problem: Problem, inputs: Inputs, moves_s: float, notes: list[str] | None) -> Iterator[str]:
    """Name inputs that can be replaced (shuffled, or redrawn where constant) without any output changing."""
    generator = torch.Generator().manual_seed(7)
    movable = {
        path: tensor for path, tensor in inputs.tensors().items()
        if not path.startswith("init.") and tensor.numel() and tensor.is_floating_point()
    }  # fmt: skip
    end, before = time.perf_counter() + moves_s, _run(problem, inputs)
    for number, (path, tensor) in enumerate(movable.items()):
        if number and time.perf_counter() > end:
            if notes is not None:
                notes.append(f"whether inputs matter was tried of {number} of {len(movable)} in {moves_s:.0f} s")
            return
        other = _other(tensor, generator)

        def change(p: str, t: torch.Tensor, path: str = path, other: torch.Tensor = other) -> torch.Tensor:
            return other if p == path else t.clone()

        changed = problem.run(inputs.map(change))
        if all(same_values(a, b) for a, b in zip(before, changed, strict=True)):
            yield f"{path} does not matter"


def _other(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Other values of about the same scale: the tensor's own, reversed, plus as much noise."""
    scale = float(tensor.double().std(correction=0)) or 1.0
    noise = torch.randn(tensor.shape, generator=generator) * scale
    return (tensor.flip(-1) if tensor.ndim else tensor) + noise.to(tensor.dtype)


def _run(problem: Problem, inputs: Inputs) -> tuple[torch.Tensor, ...]:
    return problem.run(inputs.map(lambda _, t: t.clone()))


def admit(problem: Problem, workload: Workload, seed: int) -> list[str]:
    """Return the weak points of `problem` at `workload`; an empty list admits it."""
    return weak_points(problem, TruthCache().case(problem, workload, "normal", seed))
