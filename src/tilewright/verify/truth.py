"""Truth: the reference in float64 on the inputs as given, and the error that the reference itself makes.

Both are made in the trusted process, from the same text. The inputs are exact: what the candidate gets in its working
dtype is cast up. The reference's error is measured over several runs with float32 internals (float64 for float64
problems): torch's own summation order, and a plain kernel's (see arithmetic.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch

from ..problem import Inputs, Problem
from . import native
from .arithmetic import PlainKernel, Wide
from .limits import Limits, limits_for
from .noise import Grid, Layout, Sums, blocks, grid_of, sums
from .rounding import FINITE, classes, internal_dtype, rounded

# Enough samples of errors that a whole row shares: rows times runs.
_SAMPLES, _FEWEST_RUNS, _MOST_RUNS = 64, 2, 8
# Inputs are moved by up to 2^-20 of themselves, 16 roundings of float32, to find values next to a jump.
_NUDGE = 2.0**-20
# A smooth function moves by about _NUDGE; one that moves by 256 times that, relative to the row, has jumped.
_JUMP = 256 * _NUDGE


@dataclass
class OutputTruth:
    """One output. `value_RN` is float64 as rows (zero where not finite or not judged), `dtype` what the reference
    returns at the working dtype, `codes` its non-finite classes or None, `exact` integer or bool values, `open_RN`
    marks elements beside a jump of the reference, whose value must lie between `low_RN` and `high_RN`."""

    name: str
    layout: Layout
    dtype: torch.dtype
    value_RN: torch.Tensor | None = None
    exact: torch.Tensor | None = None
    codes: torch.Tensor | None = None
    grid: Grid | None = None
    runs: list[Sums] = field(default_factory=list)
    rounded_runs: int = 0
    open_RN: torch.Tensor | None = None
    low_RN: torch.Tensor | None = None
    high_RN: torch.Tensor | None = None
    _limits: dict[bool, Limits] = field(default_factory=dict, repr=False)

    def limits(self, truncating: bool = False) -> Limits:
        truncating = truncating and self.dtype == torch.bfloat16
        if truncating not in self._limits:
            assert self.grid is not None
            self._limits[truncating] = limits_for(self.grid, self.runs, truncating)
        return self._limits[truncating]

    @property
    def nbytes(self) -> int:
        held = (self.value_RN, self.exact, self.codes, self.open_RN, self.low_RN, self.high_RN)
        return sum(t.numel() * t.element_size() for t in held if t is not None)


@dataclass
class Truth:
    """All outputs of one call, then the gradients by name; `finite` is whether every float output is; `aliases` are
    the input paths each output of the reference shares storage with, `mutates` the inputs that it changes itself."""

    outputs: tuple[OutputTruth, ...]
    grads: dict[str, OutputTruth]
    finite: bool
    aliases: tuple[frozenset[str], ...] = ()
    mutates: frozenset[str] = frozenset()
    working: tuple[torch.Tensor, ...] = ()

    @property
    def nbytes(self) -> int:
        held = sum(t.numel() * t.element_size() for t in self.working)
        return held + sum(o.nbytes for o in (*self.outputs, *self.grads.values()))


@dataclass
class _Run:
    outputs: tuple[torch.Tensor, ...]
    grads: dict[str, torch.Tensor]


def make_truth(
    problem: Problem,
    inputs: Inputs,
    *,
    grads: Sequence[str] = (),
    grad_outputs: Sequence[torch.Tensor] | None = None,
) -> Truth:
    """Run the reference in float64, at the working dtype and in float32, and return what is right and how exactly the
    reference itself meets it. `grads` names arguments (or state) whose gradients are wanted, for `grad_outputs`."""
    wide = Wide()
    best = _run(problem, inputs.cast(torch.float64), grads, grad_outputs, wide)
    fresh = inputs.map(lambda _, t: t.clone())
    working = _run(problem, fresh, grads, grad_outputs)
    dtypes = [o.dtype for o in working.outputs]
    names = [*_names(problem, len(best.outputs)), *best.grads]
    found = [*best.outputs, *best.grads.values()]
    wanted = [*dtypes, *(g.dtype for g in working.grads.values())]
    truths = [_begin(*item) for item in zip(names, found, wanted, strict=True)]
    if wide.jumps:
        _bracket(problem, inputs, truths)
    finite = all(t.codes is None for t in truths)
    _add_runs(problem, inputs, truths, grads, grad_outputs, working)
    for truth in truths:
        if truth.value_RN is not None:
            truth.grid = grid_of(truth.value_RN, truth.dtype, truth.layout.counts())
            truth.grid.rounded_runs = truth.rounded_runs
    cut = len(best.outputs)
    aliases = tuple(_shares(o, fresh) for o in working.outputs)
    changed = frozenset(p for p, t in fresh.tensors().items() if not _same(t, inputs.tensors()[p]))
    grad_truths = dict(zip(best.grads, truths[cut:], strict=True))
    outputs = tuple(o.detach() for o in working.outputs)
    return Truth(tuple(truths[:cut]), grad_truths, finite, aliases, changed, outputs)


def _run(
    problem: Problem,
    inputs: Inputs,
    grads: Sequence[str],
    grad_outputs: Sequence[torch.Tensor] | None,
    mode: contextlib.AbstractContextManager[object] | None = None,
) -> _Run:
    with mode or contextlib.nullcontext(), torch.set_grad_enabled(bool(grads)):
        if grads:
            inputs = inputs.map(lambda p, t: t.detach().requires_grad_(p.partition(".")[2] in grads))
        outputs = problem.run(inputs)
        if not grads:
            return _Run(outputs, {})
        leaves = {p.partition(".")[2]: t for p, t in inputs.tensors().items()}
        smooth = [o for o in outputs if isinstance(o, torch.Tensor) and o.requires_grad]
        seeds = [g.to(o.dtype) for g, o in zip(grad_outputs or (), outputs, strict=True) if o.requires_grad]
        got = torch.autograd.grad(smooth, [leaves[n] for n in grads], seeds, allow_unused=True)
        given = {n: torch.zeros_like(leaves[n]) if g is None else g for n, g in zip(grads, got, strict=True)}
    return _Run(tuple(o.detach() for o in outputs), given)


def _names(problem: Problem, count: int) -> list[str]:
    names = list(problem.outputs)[:count]
    return names + [f"out{i}" for i in range(len(names), count)]


def _begin(name: str, value: torch.Tensor, dtype: torch.dtype) -> OutputTruth:
    layout = Layout.of(tuple(value.shape))
    if not dtype.is_floating_point:
        return OutputTruth(name, layout, dtype, exact=value.detach().clone())
    value = value.detach().double()
    codes = None
    if not bool(torch.isfinite(value.sum())) or float(_largest(value)) > torch.finfo(dtype).max:
        codes = classes(rounded(value, dtype))
        codes = codes if bool(codes.any()) else None
    if codes is not None:
        value = torch.where(codes == FINITE, value, 0.0)
    return OutputTruth(name, layout, dtype, value_RN=layout.view(value), codes=codes)


def _largest(value: torch.Tensor) -> torch.Tensor:
    return torch.maximum(value.amax(), -value.amin()) if value.numel() else torch.zeros(())


def _add_runs(
    problem: Problem,
    inputs: Inputs,
    truths: list[OutputTruth],
    grads: Sequence[str],
    grad_outputs: Sequence[torch.Tensor] | None,
    working: _Run,
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
            run = working
        else:
            call = lifted.map(lambda _, t: t.clone()) if number else lifted
            run = _run(problem, call, grads, grad_outputs, _order(number))
        _add_run(truths, run)
    if dtypes != {internal}:
        first = 0 if problem.rounds_to_dtype else len(working.outputs)
        _add_run(truths, working, first)
        for truth in truths[first:]:
            truth.rounded_runs = 1


def _order(number: int) -> PlainKernel | None:
    """Torch's own order, then plain kernels with 1, 8, 4, 16, ... running sums, every other one backwards."""
    lanes = (1, 8, 4, 16, 2, 32, 64)
    return PlainKernel(lanes[number - 1], backwards=number % 2 == 0) if number else None


def _add_run(truths: list[OutputTruth], run: _Run, first: int = 0) -> None:
    for truth, value in zip(truths[first:], [*run.outputs, *run.grads.values()][first:], strict=True):
        if truth.value_RN is not None:
            truth.runs.append(error_sums(truth, truth.layout.view(value.detach())))


def error_sums(truth: OutputTruth, value_RN: torch.Tensor) -> Sums:
    """Sum up the error of `value_RN` against the truth."""
    assert truth.value_RN is not None
    codes_RN = None if truth.codes is None else truth.layout.view(truth.codes)
    fast = native.error_sums(value_RN, truth.value_RN, codes_RN, truth.open_RN)
    return Sums(*fast) if fast is not None else sums(error_of(truth, value_RN), truth.value_RN)


def error_of(truth: OutputTruth, value_RN: torch.Tensor) -> Callable[[slice], torch.Tensor]:
    """Return rows -> error of `value_RN` in float64, zero wherever nothing is judged."""
    assert truth.value_RN is not None
    right_RN, codes_RN = truth.value_RN, None if truth.codes is None else truth.layout.view(truth.codes)

    def error(part: slice) -> torch.Tensor:
        e = value_RN[part].double() - right_RN[part]
        if codes_RN is not None:
            e = torch.where(codes_RN[part] == FINITE, e, 0.0)
        if truth.open_RN is not None:
            e = e.masked_fill(truth.open_RN[part], 0.0)
        return torch.nan_to_num_(e, nan=0.0, posinf=0.0, neginf=0.0) if codes_RN is not None else e

    return error


def _bracket(problem: Problem, inputs: Inputs, truths: list[OutputTruth]) -> None:
    """Mark elements that jump when inputs move by a few roundings, and keep the values between which they jump."""
    generator = torch.Generator().manual_seed(20)

    def direction(_: str, t: torch.Tensor) -> torch.Tensor:
        if not t.is_floating_point():
            return t
        return (torch.rand(t.shape, generator=generator, dtype=torch.float64) - 0.5).mul_(2 * _NUDGE)

    move = inputs.map(direction).tensors()
    for sign in (1.0, -1.0):

        def nudge(path: str, t: torch.Tensor, sign: float = sign) -> torch.Tensor:
            return t.double() * (1 + sign * move[path].to(t.device)) if t.is_floating_point() else t.clone()

        nudged = inputs.map(nudge)
        for truth, value in zip(truths, _run(problem, nudged, (), None, Wide()).outputs, strict=False):
            _widen(truth, value.detach())


def _widen(truth: OutputTruth, value: torch.Tensor) -> None:
    right = truth.value_RN
    if right is None:
        assert truth.exact is not None
        right = truth.layout.view(truth.exact).double()
    moved = truth.layout.view(value).double()
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


def _shares(output: torch.Tensor, inputs: Inputs) -> frozenset[str]:
    storage = output.untyped_storage().data_ptr()
    return frozenset(p for p, t in inputs.tensors().items() if t.numel() and t.untyped_storage().data_ptr() == storage)


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return bool(torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)))


def grad_outputs_for(truth: Truth, seed: int) -> tuple[torch.Tensor, ...]:
    """Draw random gradients of the outputs, in their dtypes (zeros for integers, which have none)."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(o.layout.shape, o.dtype) for o in truth.outputs]
    return tuple(
        torch.randn(s, generator=generator).to(d) if d.is_floating_point else torch.zeros(s, dtype=d) for s, d in shapes
    )


def without_working(truth: Truth) -> Truth:
    """Return the truth without the reference's own outputs, for keeping."""
    return replace(truth, working=())
