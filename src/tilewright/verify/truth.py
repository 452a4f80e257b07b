"""Truth: the reference in float64 on the inputs as given, and the error that the reference itself makes.

Both are made in the trusted process, from the same text. The inputs are exact: what the candidate gets in its working
dtype is cast up. The reference's error is measured over several runs with float32 internals (float64 for float64
problems): torch's own summation order, and a plain kernel's (see runs.py and arithmetic.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ..problem import Inputs, Problem, as_tuple
from .arithmetic import Wide
from .jumps import bracket, decides_exactly, is_unrounded
from .noise import Layout, grid_of
from .outputs import PACKED, OutputTruth, begin, same_values
from .runs import add_lucky_runs, add_moved_runs, add_runs, run
from .undetermined import free_the_undetermined


@dataclass
class Truth:
    """All outputs of one call, then the gradients by name; `finite` is whether every float output is; `aliases` are
    the input paths each output of the reference shares storage with, `twins` the other outputs, `mutates` the inputs
    that it changes itself.
    Where these are arguments, what they come to is judged like an output: `changes` names them, in the order in which
    they stand at the end of `outputs`."""

    outputs: tuple[OutputTruth, ...]
    grads: dict[str, OutputTruth]
    finite: bool
    aliases: tuple[frozenset[str], ...] = ()
    mutates: frozenset[str] = frozenset()
    working: tuple[torch.Tensor, ...] = ()
    changes: tuple[str, ...] = ()
    overlapping: tuple[bool, ...] = ()  # whether elements of an output of the reference share memory
    work_bytes: int = 0  # of all results of the reference's operations, in float64
    complex: dict[int, str] = field(default_factory=dict)  # outputs that are complex, and of what dtype
    accepts: Callable[[Sequence[torch.Tensor]], str] | None = None  # the problem's own checker (acceptance.py)
    twins: tuple[frozenset[int], ...] = ()

    @property
    def nbytes(self) -> int:
        held = sum(t.numel() * t.element_size() for t in self.working)
        return held + sum(o.nbytes for o in (*self.outputs, *self.grads.values()))


def make_truth(
    problem: Problem,
    inputs: Inputs,
    *,
    grads: Sequence[str] = (),
    grad_outputs: Sequence[torch.Tensor] | None = None,
    device: torch.device | None = None,
    follow: bool = True,
    numbers: Sequence[Inputs] = (),
) -> Truth:
    """Run the reference in float64, at the working dtype and in float32, and return what is right and how exactly the
    reference itself meets it. `grads` names arguments (or state) whose gradients are wanted, for `grad_outputs`. The
    reference runs on `device` (where the inputs are, if None); what is kept lies in host memory. `numbers`:
    where inputs hold NaN, the same inputs with numbers instead (undetermined.py)."""
    if device is not None:
        inputs, *numbers = (one.map(lambda _, t: t.to(device)) for one in (inputs, *numbers))
        grad_outputs = None if grad_outputs is None else [g.to(device) for g in grad_outputs]
    if "random" in problem.invariants:
        return _random_truth(problem, inputs)
    wide = Wide()
    best = run(problem, inputs.cast(torch.float64), grads, grad_outputs, wide)
    fresh = inputs.map(lambda _, t: t.clone())
    working = run(problem, fresh, grads, grad_outputs)
    dtypes = [o.dtype for o in working.outputs]
    names = [*_names(problem, len(best.outputs)), *best.grads]
    found = [t.cpu() for t in (*best.unrounded, *best.grads.values())]
    wanted = [*dtypes, *(g.dtype for g in working.grads.values())]
    packed = next((name for name in PACKED if name in problem.invariants), "")
    truths = [begin(*item, packed) for item in zip(names, found, wanted, strict=True)]
    if numbers:
        free_the_undetermined(problem, inputs, numbers, truths, working)
    exactly = wide.jumps and decides_exactly(problem, inputs)
    if wide.jumps and not exactly:
        bracket(problem, inputs, truths)
    finite = all(t.codes is None for t in truths)
    add_runs(problem, inputs, truths, grads, grad_outputs, working, wide.products > 1)
    for truth in truths:
        if truth.value_RN is not None:
            truth.grid = grid_of(truth.value_RN, truth.dtype, truth.layout.counts())
            truth.grid.rounded_runs = truth.rounded_runs
            truth.unrounded = exactly and is_unrounded(truth)
    if not wide.jumps:
        add_lucky_runs(problem, inputs, truths, grads, grad_outputs)
    cut = len(best.outputs)
    if grads and (wide.jumps or wide.kinks):
        add_moved_runs(problem, inputs, truths, grads, grad_outputs, cut)
    aliases = tuple(_shares(o, fresh) for o in working.outputs)
    changed = frozenset(p for p, t in fresh.tensors().items() if not same_values(t, inputs.tensors()[p]))
    followed = tuple(f"args.{n}" for n in inputs.args if f"args.{n}" in changed)
    if followed and follow and not grads:
        found_too = make_truth(
            _with_changes(problem, inputs, names, followed), inputs, device=device, follow=False, numbers=numbers
        )
        return replace(found_too, changes=followed)
    grad_truths = dict(zip(best.grads, truths[cut:], strict=True))
    outputs = tuple(o.detach().cpu() for o in working.outputs)
    overlapping = tuple(overlaps(o.shape, o.stride()) for o in working.outputs)
    return Truth(
        tuple(truths[:cut]),
        grad_truths,
        finite,
        aliases,
        changed,
        outputs,
        twins=_twins(working.outputs),
        overlapping=overlapping,
        work_bytes=wide.bytes,
        complex={i: str(d).removeprefix("torch.") for i, d in enumerate(working.dtypes) if d.is_complex},
    )


def overlaps(shape: Sequence[int], stride: Sequence[int]) -> bool:
    """Whether a tensor is stretched: elements of it lie in the same memory."""
    return 0 not in shape and any(s == 0 and n > 1 for n, s in zip(shape, stride, strict=False))


def _with_changes(problem: Problem, inputs: Inputs, names: Sequence[str], followed: Sequence[str]) -> Problem:
    """The problem whose outputs are those of `problem`, and then the arguments `followed` after the call."""
    places = [list(inputs.args).index(path.removeprefix("args.")) for path in followed]
    reference: Any = problem.reference
    if problem.kind == "module":

        class Followed(reference):
            def forward(self, *args: Any) -> tuple[Any, ...]:
                return (*as_tuple(super().forward(*args)), *(args[i] for i in places))

        return problem.with_(reference=Followed, outputs=(*names, *followed))

    def call(*args: Any) -> tuple[Any, ...]:
        return (*as_tuple(reference(*args)), *(args[i] for i in places))

    return problem.with_(reference=call, outputs=(*names, *followed))


def _random_truth(problem: Problem, inputs: Inputs) -> Truth:
    """The shapes and dtypes of outputs that are draws: of values there is no truth."""
    fresh = inputs.map(lambda _, t: t.clone())
    with torch.random.fork_rng(devices=[]):
        outputs = problem.run(fresh)
    found = [
        OutputTruth(name, Layout.of(tuple(o.shape)), o.dtype, shape=tuple(o.shape), random=True)
        for name, o in zip(_names(problem, len(outputs)), outputs, strict=True)
    ]
    changed = frozenset(p for p, t in fresh.tensors().items() if not same_values(t, inputs.tensors()[p]))
    return Truth(tuple(found), {}, True, tuple(_shares(o, fresh) for o in outputs), changed, outputs)


def _names(problem: Problem, count: int) -> list[str]:
    names = list(problem.outputs)[:count]
    return names + [f"out{i}" for i in range(len(names), count)]


def _twins(outputs: Sequence[torch.Tensor]) -> tuple[frozenset[int], ...]:
    """For each output the others that lie in the same storage."""
    storages = [o.untyped_storage().data_ptr() if o.numel() else None for o in outputs]
    return tuple(
        frozenset(i for i, other in enumerate(storages) if other == own and own is not None and i != at)
        for at, own in enumerate(storages)
    )


def _shares(output: torch.Tensor, inputs: Inputs) -> frozenset[str]:
    storage = output.untyped_storage().data_ptr()
    return frozenset(p for p, t in inputs.tensors().items() if t.numel() and t.untyped_storage().data_ptr() == storage)


def grad_outputs_for(truth: Truth, seed: int) -> tuple[torch.Tensor, ...]:
    """Draw random gradients of the outputs, in their dtypes (zeros for integers, which have none)."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(o.shape, o.dtype) for o in truth.outputs]
    return tuple(
        torch.randn(s, generator=generator).to(d) if d.is_floating_point else torch.zeros(s, dtype=d) for s, d in shapes
    )


def without_working(truth: Truth) -> Truth:
    """Return the truth without the reference's own outputs, for keeping."""
    return replace(truth, working=())
