"""Where the reference jumps: which values are right beside a rounding, a comparison or an arg-max.

What decides a jump may be exact: the same number in float64 and in every other run of the reference, as in a comparison
of two inputs. Then there is one right side, ties included, and where the output is exact in all runs as well, one right
value. Otherwise an honest kernel may fall on either, and elements
that jump when the inputs move by a few roundings are open between the two values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..dispatch import QuietMode
from ..problem import Inputs, Problem
from .arithmetic import JUMPS, Wide, leaves_floats
from .exact import integers, repeats
from .noise import blocks
from .outputs import OutputTruth
from .plain_kernel import PlainKernel
from .rounding import FINITE, internal_dtype
from .runs import NUDGE, nudged, readable, run

# A smooth function moves by about NUDGE; one that moves by 256 times that, relative to the row, has jumped.
_JUMP = 256 * NUDGE
# Few values may be exact by chance (a sigmoid of zeros is one half): this share of neighbours must differ.
_DIFFERENT = 1 / 4
_INTEGER_MOVES = 4  # pairs of moves, up and down
# These round inside, or leave the order of equal elements open, however exact their operands are. A sort that is asked
# to be stable has the name _STABLE here.
_STABLE = "stable sort"
_NO_ORDER = {"topk", "sort", "kthvalue", "mode"}
_RANKS = {"topk", "sort", _STABLE}  # name no element twice
_OPEN_TO_CHOICE = _NO_ORDER | {"remainder", "fmod", "floor_divide"}


class _Operands(QuietMode):
    """Hands the operands of every jump, in float64, to `see`."""

    def __init__(self, see: Callable[[str, list[torch.Tensor]], None]) -> None:
        super().__init__()
        self.see = see

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = func.overloadpacket.__name__, kwargs or {}
        if name in JUMPS or (name == "_to_copy" and leaves_floats(args, kwargs)):
            name = _STABLE if name == "sort" and kwargs.get("stable") else name
            self.see(name, [a.detach().double() for a in args if isinstance(a, torch.Tensor)])
        return func(*args, **kwargs)


class _Ranks(QuietMode):
    """Keeps, for every top-k and every sort that need not be stable, which elements it named and which of its ranks are
    shared."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        if name in _RANKS and not kwargs.get("stable") and isinstance(result, tuple) and result[1].ndim:
            given = dict(zip((a.name for a in func._schema.arguments), args, strict=False)) | kwargs
            falls = given.get("largest", True) if name == "topk" else given.get("descending", False)
            shared = _shared_ranks(args[0], int(given.get("dim", -1)), bool(falls), result[1].shape)
            self.found.append((result[1].detach().cpu(), shared.cpu()))
        return result


def _shared_ranks(x: torch.Tensor, dim: int, falls: bool, shape: torch.Size) -> torch.Tensor:
    """Mark the first ranks along `dim`, as many as `shape` has, at which another element of `x` is equal."""
    ordered = x.detach().sort(dim=dim, descending=falls).values.movedim(dim, -1)
    before, after = ordered[..., :-1], ordered[..., 1:]
    equal = (before == after) | (before.isnan() & after.isnan())
    none = torch.zeros_like(ordered[..., :1], dtype=torch.bool)
    shared = torch.cat((none, equal), -1) | torch.cat((equal, none), -1)
    return shared[..., : shape[dim]].movedim(-1, dim)


def decides_exactly(problem: Problem, inputs: Inputs) -> bool:
    """Whether every operand of every jump of the reference is the same number in all its runs."""
    first: list[tuple[str, list[torch.Tensor]]] = []
    run(problem, inputs.cast(torch.float64), (), None, Wide(), watch=_Operands(lambda *seen: first.append(seen)))
    if any(name in _OPEN_TO_CHOICE for name, _ in first):
        return False
    dtypes = {t.dtype for t in inputs.tensors().values() if t.is_floating_point()}
    internal = internal_dtype(next(iter(dtypes)) if len(dtypes) == 1 else torch.float32)
    modes = {None: inputs, PlainKernel(): inputs.cast(internal), PlainKernel(8, backwards=True): inputs.cast(internal)}
    for mode, call in modes.items():
        again: list[tuple[str, list[torch.Tensor]]] = []
        watch = _Operands(lambda *seen, again=again: again.append(seen))  # type: ignore[misc]
        run(problem, call.map(lambda _, t: t.clone()), (), None, mode, watch=watch)
        if len(again) != len(first) or not all(_same(a, b) for a, b in zip(first, again, strict=True)):
            return False
    return True


def is_unrounded(truth: OutputTruth) -> bool:
    """Whether an output whose jumps are decided exactly is exact in every run of the reference, on values that differ:
    it is made of whole steps, and a kernel that errs by a single bit has made another one."""
    assert truth.grid is not None
    exact = all(not bool(run.square_R.any()) for run in truth.runs) and not bool(truth.grid.rho2_R.any())
    return exact and float(truth.grid.distinct_R.sum()) > _DIFFERENT * float(truth.grid.count_R.sum())


def _same(a: tuple[str, list[torch.Tensor]], b: tuple[str, list[torch.Tensor]]) -> bool:
    return (
        a[0] == b[0]
        and len(a[1]) == len(b[1])
        and all(
            x.shape == y.shape and bool(((x == y) | (x.isnan() & y.isnan())).all())
            for x, y in zip(a[1], b[1], strict=True)
        )
    )


def bracket(problem: Problem, inputs: Inputs, truths: list[OutputTruth]) -> None:
    """Mark elements that jump when inputs move by a few roundings, and keep the values between which they jump. A move
    may be too small to make an element jump that is beside one; of integer outputs, which have no other slack, a
    million elements need several moves. Which of equal elements a top-k or a sort names first is nobody's to say: there
    any integer is right."""
    pairs = _INTEGER_MOVES if any(t.exact is not None for t in truths) else 1
    names: set[str] = set()
    watch = _Operands(lambda name, _: names.add(name))
    for number in range(2 * pairs):
        near = nudged(inputs, 1.0 if number % 2 == 0 else -1.0, number // 2)
        moved = run(problem, near, (), None, Wide(), watch=watch)
        for truth, value in zip(truths, moved.unrounded, strict=False):
            _widen(truth, value.detach().cpu())
    exact = [truth for truth in truths if truth.exact is not None]
    if names & _NO_ORDER and exact:
        _open_among_equals(problem, inputs, exact, truths)
    if names & _RANKS:
        largest = max((n for t in inputs.tensors().values() for n in t.shape), default=1)
        for truth in exact:
            assert truth.exact is not None
            truth.distinct = not bool(repeats(truth.exact).any())
            if truth.distinct and truth.exact.numel() and int(truth.exact.min()) >= 0:
                truth.places = max(largest, int(truth.exact.max()) + 1)


def _open_among_equals(
    problem: Problem, inputs: Inputs, exact: Sequence[OutputTruth], truths: Sequence[OutputTruth]
) -> None:
    """Let any place be right where elements are equal, zeros too, which a move by a share of themselves leaves."""
    largest = max((n for t in inputs.tensors().values() for n in t.shape), default=1)
    for number in range(_INTEGER_MOVES):
        moved = run(problem, _shaken(inputs, number), (), None, Wide())
        for truth, value in zip(truths, moved.unrounded, strict=False):
            if truth.exact is not None:
                _widen(truth, value.detach().cpu())
    _open_shared_ranks(problem, inputs, truths)
    for truth in exact:
        assert truth.low_RN is not None
        assert truth.high_RN is not None
        assert truth.exact is not None
        truth.low_RN.fill_(min(0.0, float(truth.exact.min())) if truth.exact.numel() else 0.0)
        truth.high_RN.fill_(max(largest - 1.0, float(truth.exact.max())) if truth.exact.numel() else 0.0)


def _open_shared_ranks(problem: Problem, inputs: Inputs, truths: Sequence[OutputTruth]) -> None:
    """Open the ranks of elements that came out equal, in float64 or at the working dtype: what underflows or saturates
    on the way to them (a softmax of far scores) stays equal however the inputs are moved."""
    for call, mode in ((inputs.cast(torch.float64), Wide()), (inputs.map(lambda _, t: t.clone()), None)):
        ranks = _Ranks()
        made = run(problem, call, (), None, mode, watch=ranks)
        for truth, value in zip(truths, made.outputs, strict=False):
            for named, shared in ranks.found:
                if truth.open_RN is not None and truth.exact is not None and torch.equal(named, value.detach().cpu()):
                    truth.open_RN |= truth.layout.view(shared)


def _shaken(inputs: Inputs, number: int) -> Inputs:
    """Move every floating element by up to 2^-20 of the largest of its tensor, in float64."""

    def shake(_: str, t: torch.Tensor) -> torch.Tensor:
        if not t.is_floating_point() or not t.numel():
            return t.clone()
        generator = torch.Generator(t.device).manual_seed(40 + number)
        move = torch.rand(t.shape, generator=generator, dtype=torch.float64, device=t.device) - 0.5
        largest = t.double().abs().nan_to_num(0.0, 0.0, 0.0).amax()
        return t.double() + NUDGE * (largest + (largest == 0)) * move

    return inputs.map(shake)


def _widen(truth: OutputTruth, value: torch.Tensor) -> None:
    right = truth.value_RN
    if right is None:
        assert truth.exact is not None
        right = truth.layout.view(truth.exact).double()
    moved = truth.layout.view(integers(truth, value) if truth.exact is not None else readable(value)).double()
    if truth.open_RN is None:
        truth.open_RN = torch.zeros_like(right, dtype=torch.bool)
        truth.low_RN, truth.high_RN = right.clone(), right.clone()
    assert truth.low_RN is not None
    assert truth.high_RN is not None
    for part in blocks(*right.shape):
        y = right[part]
        step = _JUMP * y.square().mean(1, keepdim=True).sqrt() if truth.exact is None else 0.0
        jumped = (moved[part] - y).abs() > step
        if truth.codes is not None:
            jumped &= (truth.layout.view(truth.codes)[part] == FINITE) & moved[part].isfinite()
        truth.open_RN[part] |= jumped
        truth.low_RN[part] = torch.where(jumped, torch.minimum(truth.low_RN[part], moved[part]), truth.low_RN[part])
        truth.high_RN[part] = torch.where(jumped, torch.maximum(truth.high_RN[part], moved[part]), truth.high_RN[part])
