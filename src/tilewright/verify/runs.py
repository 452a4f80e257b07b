"""Runs of the reference: how exactly it meets its own truth, in several orders, beside jumps, and off lucky inputs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ..problem import Inputs, Problem
from .arithmetic import BeforeCast, MatrixUnit, Reassociated, Wide
from .exact import slips
from .outputs import OutputTruth, as_numbers, begin, error_sums
from .plain_kernel import PlainKernel
from .rounding import STORED_ONLY, internal_dtype

# Enough samples of errors that a whole row shares: rows times runs.
_SAMPLES, _FEWEST_RUNS, _MOST_RUNS = 64, 2, 8
# Inputs are moved by up to 2^-20 of themselves, 16 roundings of float32, to find values next to a jump.
NUDGE = 2.0**-20


@dataclass
class Run:
    """What one run of the reference gave: outputs in order, gradients by name; `unrounded` are the outputs as they were
    before a cast to a dtype that only stores. Complex outputs are real numbers here; `dtypes` has what they were."""

    outputs: tuple[torch.Tensor, ...]
    grads: dict[str, torch.Tensor]
    unrounded: tuple[torch.Tensor, ...]
    dtypes: tuple[torch.dtype, ...] = ()


def run(
    problem: Problem,
    inputs: Inputs,
    grads: Sequence[str],
    grad_outputs: Sequence[torch.Tensor] | None,
    mode: contextlib.AbstractContextManager[object] | None = None,
    watch: contextlib.AbstractContextManager[object] | None = None,
) -> Run:
    """Run the reference on `inputs` under `mode`, where they are, and its backward pass where `grads` names leaves.
    `watch` sees its operations as the text has them."""
    kept = BeforeCast()
    modes = (kept, mode or contextlib.nullcontext(), watch or contextlib.nullcontext())
    with modes[0], modes[1], modes[2], torch.set_grad_enabled(bool(grads)), _exact_products():
        if grads:
            inputs = inputs.map(lambda p, t: t.detach().requires_grad_(p.partition(".")[2] in grads))
        returned = problem.run(inputs)
        dtypes, outputs = tuple(o.dtype for o in returned), tuple(map(as_numbers, returned))
        if not grads:
            return Run(outputs, {}, tuple(map(kept.unrounded, outputs)), dtypes)
        leaves = {p.partition(".")[2]: t for p, t in inputs.tensors().items()}
        smooth = [o for o in outputs if isinstance(o, torch.Tensor) and o.requires_grad]
        seeds = [g.to(o.dtype) for g, o in zip(grad_outputs or (), outputs, strict=True) if o.requires_grad]
        got = torch.autograd.grad(smooth, [leaves[n] for n in grads], seeds, allow_unused=True)
        given = {n: torch.zeros_like(leaves[n]) if g is None else g for n, g in zip(grads, got, strict=True)}
    unrounded = tuple(kept.unrounded(o).detach() for o in outputs)
    return Run(tuple(o.detach() for o in outputs), given, unrounded, dtypes)


@contextlib.contextmanager
def _exact_products() -> Iterator[None]:
    """On a GPU: no TF32 and no sums rounded to a narrow dtype on the way, whatever the host program allows."""
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn
    kept = (matmul.allow_tf32, convolution.allow_tf32, matmul.allow_bf16_reduced_precision_reduction,
            matmul.allow_fp16_reduced_precision_reduction)  # fmt: skip
    _allow(False, False, False, False)
    try:
        yield
    finally:
        _allow(*kept)


def _allow(products: bool, convolutions: bool, bf16_sums: bool, fp16_sums: bool) -> None:
    matmul = torch.backends.cuda.matmul
    matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = products, convolutions
    matmul.allow_bf16_reduced_precision_reduction = bf16_sums
    matmul.allow_fp16_reduced_precision_reduction = fp16_sums


def add_runs(
    problem: Problem,
    inputs: Inputs,
    truths: list[OutputTruth],
    grads: Sequence[str],
    grad_outputs: Sequence[torch.Tensor] | None,
    working: Run,
    chained: bool = False,
) -> None:
    """Add the errors of the reference's runs to every truth. What a forward pass saves for its backward pass has the
    working dtype, so the run that rounds to it counts for gradients always, for outputs where the problem says so.
    `chained`: there may be chains of products, to be associated the other way."""
    rows = min((t.layout.rows for t in truths if t.value_RN is not None), default=_SAMPLES)
    count = min(_MOST_RUNS, max(_FEWEST_RUNS, -(-_SAMPLES // max(1, rows))))
    dtypes = {t.dtype for t in inputs.tensors().values() if t.is_floating_point()}
    internal = internal_dtype(next(iter(dtypes)) if len(dtypes) == 1 else torch.float32)
    lifted = inputs.map(lambda _, t: t.to(internal, copy=True) if t.is_floating_point() else t.clone())
    for number in range(count):
        if number == 0 and dtypes == {internal}:
            made = working
        else:
            call = lifted.map(lambda _, t: t.clone()) if number else lifted
            made = run(problem, call, grads, grad_outputs, _order(number))
        _add_one(truths, made)
    unit = MatrixUnit(next(iter(dtypes))) if len(dtypes) == 1 and dtypes <= {torch.float16, torch.bfloat16} else None
    if unit is not None and any(t.is_cuda for t in lifted.tensors().values()):
        made = run(problem, lifted.map(lambda _, t: t.clone()), grads, grad_outputs, unit)
        if unit.used:
            _add_one(truths, made)
    if chained:
        other = Reassociated()
        made = run(problem, lifted.map(lambda _, t: t.clone()), grads, grad_outputs, other)
        if other.used:
            _add_one(truths, made)
    if dtypes != {internal}:
        first = 0 if problem.rounds_to_dtype else len(working.outputs)
        _add_one(truths, working, first)
        for truth in truths[first:]:
            truth.rounded_runs = 1


def _order(number: int) -> PlainKernel | None:
    """Torch's own order, then plain kernels with 1, 8, 4, 16, ... running sums, every other one backwards."""
    lanes = (1, 8, 4, 16, 2, 32, 64)
    return PlainKernel(lanes[number - 1], backwards=number % 2 == 0) if number else None


def _add_one(truths: list[OutputTruth], made: Run, first: int = 0) -> None:
    for truth, value in zip(truths[first:], [*made.unrounded, *made.grads.values()][first:], strict=True):
        if truth.value_RN is not None:
            truth.runs.append(error_sums(truth, truth.layout.view(readable(value.detach().cpu()))))
        elif truth.exact is not None:
            truth.slips.append(slips(truth, value.detach().cpu()))


def readable(value: torch.Tensor) -> torch.Tensor:
    """float8 as float32, which holds all of it and has the operations that float8 lacks."""
    return value.float() if value.dtype in STORED_ONLY else value


def nudged(inputs: Inputs, sign: float, number: int = 0) -> Inputs:
    """Move every floating element by a random fraction of up to 2^-20 of itself, in float64."""
    generators: dict[str, torch.Generator] = {}

    def nudge(_: str, t: torch.Tensor) -> torch.Tensor:
        if not t.is_floating_point():
            return t.clone()
        generator = generators.setdefault(t.device.type, torch.Generator(t.device).manual_seed(20 + number))
        move = torch.rand(t.shape, generator=generator, dtype=torch.float64, device=t.device)
        move = move.sub_(0.5).mul_(2 * sign * NUDGE)
        return t.double() * (1 + move)

    return inputs.map(nudge)


def add_lucky_runs(
    problem: Problem,
    inputs: Inputs,
    truths: list[OutputTruth],
    grads: Sequence[str],
    grad_outputs: Sequence[torch.Tensor] | None,
) -> None:
    """Where the reference is about as exact as correct rounding, or the inputs repeat themselves, intermediates may
    happen to be exact (equal entries, powers of two): then add the reference's errors on inputs next to these."""
    repeats = any(_repeats(t) for t in inputs.tensors().values())
    lucky = [t for t in truths if t.value_RN is not None and _is_lucky(t, repeats)]
    if not lucky:
        return
    dtype = next(t.dtype for t in lucky)
    near = nudged(inputs, 1.0).cast(dtype)
    seeds = None if grad_outputs is None else [g.clone() for g in grad_outputs]
    best = run(problem, near.cast(torch.float64), grads, seeds, Wide())
    right = [*best.unrounded, *best.grads.values()]
    beside = [begin(t.name, value.cpu(), t.dtype) for t, value in zip(truths, right, strict=True)]
    one_pass, two_passes = PlainKernel(), PlainKernel(two_passes=True)
    for order in (None, one_pass, two_passes):
        # Squares of few digits make exact sums in one pass, squares of what is left beside a mean do not.
        if order is two_passes and not one_pass.chose_one_pass:
            continue
        made = run(problem, near.map(lambda _, t: t.clone()), grads, seeds, order)
        _add_one(beside, made)
    for truth, other in zip(truths, beside, strict=True):
        if any(truth is t for t in lucky):
            truth.runs[:0] = other.runs


def add_moved_runs(
    problem: Problem,
    inputs: Inputs,
    truths: list[OutputTruth],
    grads: Sequence[str],
    grad_outputs: Sequence[torch.Tensor] | None,
    first: int,
) -> None:
    """Add the errors of gradients on inputs beside these, where the reference has kinks (ReLU, a maximum): a gradient
    jumps there, and on which side an element lies is a matter of the roundings before it."""
    for sign in (1.0, -1.0):
        seeds = None if grad_outputs is None else [g.clone() for g in grad_outputs]
        _add_one(truths, run(problem, nudged(inputs, sign), grads, seeds, Wide()), first)


def _repeats(tensor: torch.Tensor) -> bool:
    """Whether more than a sixteenth of the neighbours along the last axis are equal."""
    if not tensor.is_floating_point() or tensor.ndim == 0 or tensor.shape[-1] < 2:
        return False
    return float((tensor[..., 1:] == tensor[..., :-1]).float().mean()) > 1 / 16


def _is_lucky(truth: OutputTruth, repeats: bool) -> bool:
    """Only outputs of the internal precision can be: rounding to a narrower dtype hides everything smaller."""
    grid = truth.grid
    if grid is None or grid.dtype != grid.internal or truth.value_RN is None or not truth.value_RN.numel():
        return False
    return repeats or max(float(s.square_R.sum()) for s in truth.runs) < 2 * float(grid.floor2_R.sum())
