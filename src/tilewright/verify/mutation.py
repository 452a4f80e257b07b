"""Mutated references: the reference with one operation left out, one constant changed, one axis exchanged, or one term
removed. The judge must reject each of them, or the problem's inputs do not show what that operation is for.

The reference is not rewritten: it runs as it is, in the precision that a kernel computes in, and one of its operations,
counted as they are called, is answered differently. A mutant that fails, or gives another shape, is rejected already.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..dispatch import QuietMode
from ..problem import Inputs, Problem


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Operations that only place, view or make data: leaving one out is another program or the same one.
_PLUMBING = _names(
    "view _unsafe_view reshape expand permute transpose t unsqueeze squeeze slice select alias detach clone copy copy_ "
    "_to_copy contiguous as_strided split split_with_sizes unbind empty empty_like zeros zeros_like ones ones_like "
    "full full_like new_zeros new_ones new_empty new_full arange scalar_tensor lift_fresh fill_ zero_ cat stack index "
    "gather index_select embedding unfold narrow diagonal flip roll repeat rand randn rand_like bernoulli_ "
    "native_dropout _local_scalar_dense is_same_size constant_pad_nd im2col col2im _reshape_alias lift empty_strided "
    "normal_ uniform_ eq ne gt ge lt le logical_and logical_or logical_not bitwise_and bitwise_or bitwise_not isnan "
    "isinf where"
)
_SUMS = _names("add sub add_ sub_ rsub addcmul addcdiv mul mul_ div div_ maximum minimum addmm baddbmm")
# Operations with an axis, and the position of that argument.
_AXES = {
    "sum": 1, "mean": 1, "amax": 1, "amin": 1, "_softmax": 1, "_log_softmax": 1, "cumsum": 1, "cumprod": 1, "var": 1,
    "logsumexp": 1, "linalg_vector_norm": 2, "prod": 1, "max": 1, "min": 1, "argmax": 1, "argmin": 1, "sort": 1,
}  # fmt: skip
# Operations whose bias, or weight, is an argument that may be left out.
_ADDED = {"addmm": 0, "baddbmm": 0, "addmv": 0, "convolution": 2, "native_layer_norm": 3, "native_group_norm": 2,
          "native_batch_norm": 2}  # fmt: skip
_SCALED = {"native_layer_norm": 2, "native_group_norm": 1, "native_batch_norm": 1}
# Products of matrices, and the position of the first factor.
_PRODUCTS = {"mm": 0, "bmm": 0, "mv": 0, "dot": 0, "addmm": 1, "baddbmm": 1, "addmv": 1}
_FACTOR = 1.5
GUARD = 1e-3  # a constant that small guards against zero; inputs that need it are rare


@dataclass(frozen=True)
class Mutant:
    """One change: at operation number `index`, called `operation`. `guard` says that it only takes away or moves a
    tiny constant."""

    index: int
    operation: str
    change: str
    kind: str
    position: int = -1
    value: Any = None
    guard: bool = False

    @property
    def text(self) -> str:
        return f"{self.change} (operation {self.index + 1} of the reference)"


class _Numbered(QuietMode):
    """Numbers the operations that compute something, and lets a subclass answer one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.overloadpacket.__name__ in _PLUMBING or not _tensors(args):
            return func(*args, **kwargs)
        number, self.count = self.count, self.count + 1
        return self.answer(number, func, args, kwargs)

    def answer(self, number: int, func: Any, args: Any, kwargs: Any) -> Any:
        raise NotImplementedError


class _Recorder(_Numbered):
    """Runs the reference and lists the mutants there are."""

    def __init__(self) -> None:
        super().__init__()
        self.mutants: list[Mutant] = []

    def answer(self, number: int, func: Any, args: Any, kwargs: Any) -> Any:
        neutral = _neutral(func.overloadpacket.__name__, args)
        result = func(*args, **kwargs)
        if neutral:
            return result
        first = result[0] if isinstance(result, tuple) and result else result
        if isinstance(first, torch.Tensor):
            self.mutants += _mutants(number, func.overloadpacket.__name__, args, first)
        return result


class _Mutated(_Numbered):
    """Runs the reference with one mutant in it."""

    def __init__(self, mutant: Mutant) -> None:
        super().__init__()
        self.mutant = mutant

    def answer(self, number: int, func: Any, args: Any, kwargs: Any) -> Any:
        if number != self.mutant.index:
            return func(*args, **kwargs)
        if self.mutant.kind == "keep":
            kept = args[self.mutant.position].clone()  # before an operation that works in place
            result = func(*args, **kwargs)
            first = result[0] if isinstance(result, tuple) else result
            kept = kept.expand(first.shape).to(first.dtype).clone()
            if func.overloadpacket.__name__.endswith("_"):
                return args[0].copy_(kept)
            return (kept, *result[1:]) if isinstance(result, tuple) else kept
        changed, at = list(args), self.mutant.position
        if self.mutant.kind == "short":
            changed[at] = args[at].clone()
            changed[at][..., -1] = 0
            return func(*changed, **kwargs)
        fills = {"zero": torch.zeros_like, "one": torch.ones_like}
        fill = fills.get(self.mutant.kind)
        changed[at] = fill(args[at]) if fill else self.mutant.value
        return func(*changed, **kwargs)


def _neutral(name: str, args: Sequence[Any]) -> bool:
    """Whether one operand of a sum is all zeros, or of a product all ones: leaving that one out changes nothing."""
    identity = {"add": 0.0, "sub": 0.0, "mul": 1.0, "div": 1.0}.get(name.rstrip("_"))
    if identity is None:
        return False
    operands = args[:2] if name.rstrip("_") in ("add", "mul") else args[1:2]
    return any(bool((a == identity).all()) if isinstance(a, torch.Tensor) else a == identity for a in operands)


def _tensors(args: Sequence[Any]) -> list[int]:
    return [i for i, a in enumerate(args) if isinstance(a, torch.Tensor) and a.is_floating_point()]


def _mutants(number: int, name: str, args: Sequence[Any], result: torch.Tensor) -> Iterator[Mutant]:
    """What may be changed in one call of operation `name`."""
    tensors = [i for i in _tensors(args) if _fits(args[i], result)]
    constants = [i for i, a in enumerate(args) if i and isinstance(a, float | int) and not isinstance(a, bool)]
    constants = [i for i in constants if _AXES.get(name) != i and math.isfinite(args[i])]
    guard = bool(constants) and all(abs(args[i]) <= GUARD for i in constants)
    plain = name.rstrip("_").lstrip("_") or name
    if name in _SUMS and len([a for a in args if isinstance(a, torch.Tensor)]) > 1:
        for i in tensors:
            others = "the others" if len(args) > 2 else "the other"
            yield Mutant(number, name, f"{plain} that keeps argument {i + 1} and drops {others}", "keep", i)
    elif tensors:
        yield Mutant(number, name, f"{plain} left out", "keep", tensors[0], guard=guard)
    if name not in _AXES:
        for i in constants:
            if name in ("pow", "clamp", "clamp_", "hardtanh", "leaky_relu", "elu") or isinstance(args[i], float):
                value = args[i] * _FACTOR if args[i] else 0.5
                tiny = abs(args[i]) <= GUARD
                yield Mutant(number, name, f"{args[i]:g} in {plain} as {value:g}", "argument", i, value, tiny)
    factor = _PRODUCTS.get(name, len(args))
    if factor < len(args) and args[factor].shape[-1] > 1:
        yield Mutant(number, name, f"{plain} without the last term of its sums", "short", factor)
    for places, kind, what in ((_ADDED, "zero", "the added term"), (_SCALED, "one", "the weight")):
        at = places.get(name, len(args))
        if at < len(args) and isinstance(args[at], torch.Tensor):
            yield Mutant(number, name, f"{plain} without {what}", kind, at)
    yield from _other_axes(number, name, plain, args)


def _other_axes(number: int, name: str, plain: str, args: Sequence[Any]) -> Iterator[Mutant]:
    at, x = _AXES.get(name, -1), args[0]
    if at < 0 or len(args) <= at or x.ndim < 2:
        return
    given = args[at]
    axes = [given] if isinstance(given, int) else given if isinstance(given, list | tuple) else []
    if len(axes) != 1 or not isinstance(axes[0], int):
        return
    axis = axes[0] % x.ndim
    other = next((d for d in reversed(range(x.ndim)) if d != axis and x.shape[d] > 1), None)
    if other is not None:
        value = other if isinstance(given, int) else [other]
        yield Mutant(number, name, f"{plain} over axis {other} instead of {axis}", "argument", at, value)


def _fits(argument: Any, result: torch.Tensor) -> bool:
    if not isinstance(argument, torch.Tensor):
        return False
    try:
        return torch.broadcast_shapes(argument.shape, result.shape) == result.shape and argument.dim() <= result.dim()
    except RuntimeError:
        return False


def mutants_of(problem: Problem, inputs: Inputs) -> list[Mutant]:
    """Return the mutants of the reference as it runs on `inputs`."""
    recorder = _Recorder()
    with torch.no_grad(), recorder:
        problem.run(_internal(inputs))
    return recorder.mutants


def outputs_of(problem: Problem, inputs: Inputs, mutant: Mutant) -> tuple[torch.Tensor, ...] | None:
    """Return what the mutated reference gives on `inputs`; None where it fails."""
    try:
        with torch.no_grad(), _Mutated(mutant):
            return problem.run(_internal(inputs))
    except (RuntimeError, ValueError, TypeError, IndexError, ArithmeticError, AssertionError):
        return None


def _internal(inputs: Inputs) -> Inputs:
    """A copy of the call in the precision that a kernel computes in."""
    dtypes = {t.dtype for t in inputs.tensors().values() if t.is_floating_point()}
    internal = torch.float64 if dtypes == {torch.float64} else torch.float32
    return inputs.map(lambda _, t: t.to(internal, copy=True) if t.is_floating_point() else t.clone())
