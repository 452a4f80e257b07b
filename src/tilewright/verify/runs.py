"""Runs of the reference: how exactly it meets its own truth, in several orders, beside jumps, and off lucky inputs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ..problem import Inputs, Problem
from .arithmetic import BeforeCast, MatrixUnit, PlainKernel, Wide
from .exact import integers, slips
from .noise import blocks
from .outputs import OutputTruth, begin, error_sums
from .rounding import STORED_ONLY, internal_dtype

# Enough samples of errors that a whole row shares: rows times runs.
_SAMPLES, _FEWEST_RUNS, _MOST_RUNS = 64, 2, 8
# Inputs are moved by up to 2^-20 of themselves, 16 roundings of float32, to find values next to a jump.
_NUDGE = 2.0**-20
# A smooth function moves by about _NUDGE; one that moves by 256 times that, relative to the row, has jumped.
_JUMP = 256 * _NUDGE
_INTEGER_MOVES = 4  # pairs of moves, up and down


@dataclass
class Run:
    """What one run of the reference gave: outputs in order, gradients by name; `unrounded` are the outputs as they were
    before a cast to a dtype that only stores."""

    outputs: tuple[torch.Tensor, ...]
    grads: dict[str, torch.Tensor]
    unrounded: tuple[torch.Tensor, ...]


def run(
    problem: Problem,
    inputs: Inputs,
    grads: Sequence[str],
    grad_outputs: Sequence[torch.Tensor] | None,
    mode: contextlib.AbstractContextManager[object] | None = None,
) -> Run:
    """Run the reference on `inputs` under `mode`, where they are, and its backward pass where `grads` names leaves."""
    kept = BeforeCast()
    with kept, mode or contextlib.nullcontext(), torch.set_grad_enabled(bool(grads)), _exact_products():
        if grads:
            inputs = inputs.map(lambda p, t: t.detach().requires_grad_(p.partition(".")[2] in grads))
        outputs = problem.run(inputs)
        if not grads:
            return Run(outputs, {}, tuple(map(kept.unrounded, outputs)))
        leaves = {p.partition(".")[2]: t for p, t in inputs.tensors().items()}
        smooth = [o for o in outputs if isinstance(o, torch.Tensor) and o.requires_grad]
        seeds = [g.to(o.dtype) for g, o in zip(grad_outputs or (), outputs, strict=True) if o.requires_grad]
        got = torch.autograd.grad(smooth, [leaves[n] for n in grads], seeds, allow_unused=True)
        given = {n: torch.zeros_like(leaves[n]) if g is None else g for n, g in zip(grads, got, strict=True)}
    return Run(tuple(o.detach() for o in outputs), given, tuple(kept.unrounded(o).detach() for o in outputs))


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
) -> None:
    """Add the errors of the reference's runs to every truth. What a forward pass saves for its backward pass has the
    working dtype, so the run that rounds to it counts for gradients always, for outputs where the problem says so."""
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
            truth.runs.append(error_sums(truth, truth.layout.view(_readable(value.detach().cpu()))))
        elif truth.exact is not None:
            truth.slips.append(slips(truth, value.detach().cpu()))


def _readable(value: torch.Tensor) -> torch.Tensor:
    """float8 as float32, which holds all of it and has the operations that float8 lacks."""
    return value.float() if value.dtype in STORED_ONLY else value


def bracket(problem: Problem, inputs: Inputs, truths: list[OutputTruth]) -> None:
    """Mark elements that jump when inputs move by a few roundings, and keep the values between which they jump. A move
    may be too small to make an element jump that is beside one; of integer outputs, which have no other slack, a
    million elements need several moves."""
    pairs = _INTEGER_MOVES if any(t.exact is not None for t in truths) else 1
    for number in range(2 * pairs):
        moved = run(problem, _nudged(inputs, 1.0 if number % 2 == 0 else -1.0, number // 2), (), None, Wide())
        for truth, value in zip(truths, moved.unrounded, strict=False):
            _widen(truth, value.detach().cpu())


def _nudged(inputs: Inputs, sign: float, number: int = 0) -> Inputs:
    """Move every floating element by a random fraction of up to 2^-20 of itself, in float64."""
    generators: dict[str, torch.Generator] = {}

    def nudge(_: str, t: torch.Tensor) -> torch.Tensor:
        if not t.is_floating_point():
            return t.clone()
        generator = generators.setdefault(t.device.type, torch.Generator(t.device).manual_seed(20 + number))
        move = torch.rand(t.shape, generator=generator, dtype=torch.float64, device=t.device)
        move = move.sub_(0.5).mul_(2 * sign * _NUDGE)
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
    near = _nudged(inputs, 1.0).cast(dtype)
    seeds = None if grad_outputs is None else [g.clone() for g in grad_outputs]
    best = run(problem, near.cast(torch.float64), grads, seeds, Wide())
    right = [*best.unrounded, *best.grads.values()]
    beside = [begin(t.name, value.cpu(), t.dtype) for t, value in zip(truths, right, strict=True)]
    for number in range(_FEWEST_RUNS):
        made = run(problem, near.map(lambda _, t: t.clone()), grads, seeds, _order(number))
        _add_one(beside, made)
    for truth, other in zip(truths, beside, strict=True):
        if any(truth is t for t in lucky):
            truth.runs[:0] = other.runs


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


def _widen(truth: OutputTruth, value: torch.Tensor) -> None:
    right = truth.value_RN
    if right is None:
        assert truth.exact is not None
        right = truth.layout.view(truth.exact).double()
    moved = truth.layout.view(integers(truth, value) if truth.exact is not None else _readable(value)).double()
    if truth.open_RN is None:
        truth.open_RN = torch.zeros_like(right, dtype=torch.bool)
        truth.low_RN, truth.high_RN = right.clone(), right.clone()
    assert truth.low_RN is not None
    assert truth.high_RN is not None
    for part in blocks(*right.shape):
        y = right[part]
        step = _JUMP * y.square().mean(1, keepdim=True).sqrt() if truth.exact is None else 0.0
        jumped = (moved[part] - y).abs() > step
        truth.open_RN[part] |= jumped
        truth.low_RN[part] = torch.where(jumped, torch.minimum(truth.low_RN[part], moved[part]), truth.low_RN[part])
        truth.high_RN[part] = torch.where(jumped, torch.maximum(truth.high_RN[part], moved[part]), truth.high_RN[part])
