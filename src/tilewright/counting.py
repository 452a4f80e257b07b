"""The cost of a problem whose author declared none, counted while its reference runs on shapes alone.

The reference runs once under PyTorch's fake tensors, which have shapes and dtypes but no memory. Every operation that
depends on an input is seen on its way: matrix products, convolutions and attention by their formulas, everything else
as one operation per element, exp and its like apart. Bytes are the least that must move: the parts of the inputs that
the reference looks at once, the rows of a table that are looked up once, the outputs once; nothing in between. What
only gives its shape, and what is only another view of an input, moves nothing. `count_call` counts one call of one
operator of PyTorch in the same way.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from . import units
from .cost import Cost
from .dispatch import QuietMode
from .lookups import BAGS, LOOKUPS, bag_elements, has_values, lookup_bytes
from .problem import Inputs, Problem, Workload, as_tuple
from .work import causal_pairs


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SPECIAL = _names(
    "exp exp2 expm1 log log2 log10 log1p logaddexp logaddexp2 sqrt rsqrt sin cos tan asin acos atan atan2 sinh cosh "
    "tanh asinh acosh atanh sigmoid log_sigmoid_forward silu gelu mish softplus elu erf erfc erfinv lgamma digamma "
    "_softmax _log_softmax logsumexp"
)
# Operations that only move or make data: no arithmetic.
_MOVES = _names(
    "_to_copy clone copy contiguous cat stack constant_pad_nd embedding gather index index_select take repeat roll "
    "flip fill fill_ zero_ empty_like zeros_like ones_like full_like slice_scatter select_scatter index_put triu tril "
    "masked_fill where scatter"
)
# Operations that look at the shape of a tensor and not into it, and those that only overwrite their first argument.
_SHAPES_ALONE = _names(
    "empty_like zeros_like ones_like full_like rand_like randn_like new_empty new_zeros new_ones new_full "
    "new_empty_strided"
)
_OVERWRITES = _names("copy_ fill_ zero_ index_put_ index_copy_ index_fill_ scatter_ masked_fill_")
_FLOPS_PER_ELEMENT = {
    **{"_softmax": 4, "_log_softmax": 4, "native_layer_norm": 7, "native_group_norm": 7, "var_mean": 3},
    **{"mv": 2, "dot": 2, "vdot": 2, "addmv": 2},
}
_ATTENTION = _names(
    "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention "
    "_scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention"
)
_DRAWN_BYTES = 128 << 20  # inputs up to here are drawn, where the values of an index decide what is read


def count_cost(problem: Problem, workload: Workload, small: bool = False) -> Cost:
    """Return the cost of `workload`, counted from the reference; needs no memory unless the reference branches on data,
    or looks up rows in inputs of less than 128 MiB: then the integers among them are drawn to see which rows.
    What is `small` is run on real data all the same: fake tensors import torch's compiler, which takes a second.

    Errors of the reference itself are raised as they are.
    """
    if small and "torch._dynamo" not in sys.modules:
        return _count(problem, workload, "on real data")
    try:
        return _count_on_shapes(problem, workload)
    except Exception as error:  # noqa: BLE001  (fake tensors fail in many ways; the cost says which way was taken)
        why = f"on real data, as shapes alone gave {type(error).__name__}"
    return _count(problem, workload, why)


def _count_on_shapes(problem: Problem, workload: Workload) -> Cost:
    with FakeTensorMode(allow_non_fake_inputs=True):
        call = problem.make_inputs(workload, 0)
        counter = _Counter(call.tensors().values())
        found = _counted(problem, call, counter, "on shapes alone")
    size = sum(t.numel() * t.element_size() for t in call.tensors().values())
    if not counter.guessed or size > _DRAWN_BYTES:
        return found
    drawn = problem.make_inputs(workload, 0).tensors()
    known = call.map(lambda path, t: t if t.is_floating_point() or t.is_complex() else drawn[path])
    with FakeTensorMode(allow_non_fake_inputs=True):
        return _counted(problem, known, _Counter(known.tensors().values()), "on shapes and indices")


def _count(problem: Problem, workload: Workload, how: str) -> Cost:
    call = problem.make_inputs(workload, 0)
    return _counted(problem, call, _Counter(call.tensors().values()), how)


def _counted(problem: Problem, call: Inputs, counter: _Counter, how: str) -> Cost:
    with torch.no_grad(), counter:
        outputs = [t for t in as_tuple(problem.run(call)) if isinstance(t, torch.Tensor)]
    read = {path: counter.bytes_read(t) for path, t in call.tensors().items()}
    inputs = " + ".join(f"{path.split('.', 1)[1]} {units.byte_count(b)}" for path, b in read.items() if b)
    return counter.cost(sum(read.values()), outputs, f"reads {inputs or 'nothing'} once", f"counted {how}")


def count_call(operator: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Cost:
    """Return the cost of one call of `operator`, such as torch.ops.aten.mm.default, alone; its tensors may be on the
    meta device, which has shapes and no memory. What is only another view of an input is not written; what is changed
    in place is. Errors of the operator are raised as they are.
    """
    inputs = [t for t in tree_leaves((args, dict(kwargs))) if isinstance(t, torch.Tensor)]
    with torch.no_grad(), _Counter(inputs) as counter:
        out = operator(*args, **kwargs)
    read = sum(counter.bytes_read(t) for t in {_storage(t): t for t in inputs}.values())
    outputs = [t for t in tree_leaves(out) if isinstance(t, torch.Tensor)]
    return counter.cost(read, outputs, f"reads {units.byte_count(read)}", "counted on shapes alone")


class _Counter(QuietMode):
    """Counts the operations that depend on `inputs`: a module's own initialisation is none of the work."""

    def __init__(self, inputs: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.flops: dict[str, int] = {}
        self.special = 0
        self.guessed = False  # whether the rows of a look-up were expected and not known
        self._changed: dict[int, int] = {}  # bytes that operations wrote into each storage, each time
        self._seen: dict[int, dict[_View, int]] = {_storage(t): {} for t in inputs}
        self._depends = set(self._seen)

    def bytes_read(self, tensor: torch.Tensor) -> int:
        """Bytes of the storage of an input that operations looked at: of views that overlap, the sum of their elements
        or what they span together, whichever is less."""
        total = spanned = taken = end = 0
        for view, size in sorted(self._seen[_storage(tensor)].items()):
            if view.start >= end:
                total, spanned, taken = total + min(spanned, taken), 0, 0
            spanned += max(0, view.end - max(view.start, end))
            end, taken = max(end, view.end), taken + size
        return min(total + min(spanned, taken), tensor.untyped_storage().nbytes())

    def cost(self, read: int, outputs: list[torch.Tensor], reads: str, how: str) -> Cost:
        """The cost of all that was seen, with the least writes: what is another view of an input that nobody changed is
        not written, nor is any element twice."""
        kept = set(self._seen) - set(self._changed)
        new = {(_storage(t), _View.of(t)): _distinct_bytes(t) for t in outputs if _storage(t) not in kept}
        written = sum(min(size, self._changed[at]) if at in self._seen else size for (at, _), size in new.items())
        guess = ", rows looked up as uniform draws hit them" if self.guessed else ""
        return Cost(
            bytes_read=read,
            bytes_written=written,
            flops=self.flops,
            special=self.special,
            quality="counted",
            derivation=f"{reads}, writes {units.byte_count(written)} once, {how}{guess}",
        )

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        used = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        with unset_fake_temporarily() if _are_indices(used) else nullcontext():  # keeps the values of an index
            out = func(*args, **(kwargs or {}))
        made = [t for t in tree_leaves(out) if isinstance(t, torch.Tensor)]
        if func._schema.is_mutable:
            self._note_writes(func, args, kwargs or {}, used)
        if any(_storage(t) in self._depends for t in used):
            self._depends.update(_storage(t) for t in made)
            if func.namespace != "prim" and not _is_view(func):  # prim asks for a device or a dtype, not for data
                self._note(func, args, kwargs or {}, used, made, out)
        return out

    def _note(
        self, func: Any, args: Any, kwargs: Any, used: list[torch.Tensor], made: list[torch.Tensor], out: Any
    ) -> None:
        name = func._schema.name.split("::")[-1]
        if name not in _SHAPES_ALONE:
            self._note_reads(name, args, used[1:] if name in _OVERWRITES else used, made)
        elements = max((t.numel() for t in (*used, *made)), default=0)
        if name in _ATTENTION:
            pairs, flops = _attention(func, args, kwargs)
            self.special += pairs
            self._add(used, flops)
        elif (formula := flop_registry.get(func._overloadpacket)) is not None:
            self._add(used, formula(*args, **kwargs, out_val=out))
        elif name.rstrip("_") not in _MOVES and name not in _MOVES:
            self._add(used, bag_elements(args) if name in BAGS else elements * _FLOPS_PER_ELEMENT.get(name, 1))
        if name.rstrip("_") in _SPECIAL or name in _SPECIAL or _is_true_power(name, args):
            self.special += elements

    def _note_reads(self, name: str, args: Any, used: list[torch.Tensor], made: list[torch.Tensor]) -> None:
        for t in used:
            if (seen := self._seen.get(_storage(t))) is None:
                continue
            size, known = _distinct_bytes(t), True
            if name in LOOKUPS and args and t is args[0]:
                size, known = lookup_bytes(name, args, made)
            self.guessed |= not known
            view = _View.of(t)
            seen[view] = max(seen.get(view, 0), size)

    def _note_writes(self, func: Any, args: Any, kwargs: Any, used: list[torch.Tensor]) -> None:
        """Book what is written in place: all of the tensor, or no more than the values that are put into it."""
        for t in _written_to(func, args, kwargs):
            puts = func._schema.name.split("::")[-1] in ("index_put_", "index_copy_", "scatter_")
            values = max((u.numel() for u in used if u is not t and u.dtype == t.dtype), default=t.numel())
            size = min(_distinct_bytes(t), values * t.element_size()) if puts else _distinct_bytes(t)
            self._changed[_storage(t)] = self._changed.get(_storage(t), 0) + size

    def _add(self, used: list[torch.Tensor], flops: int) -> None:
        """Book `flops` under the dtype of the first floating input, or int8 for integer products; else not at all."""
        dtype = next((t.dtype for t in used if t.is_floating_point() or t.dtype == torch.int8), None)
        if dtype is not None:
            key = str(dtype).removeprefix("torch.")
            self.flops[key] = self.flops.get(key, 0) + int(flops)


def _written_to(func: Any, args: Any, kwargs: Any) -> list[torch.Tensor]:
    """The arguments that `func` writes into, by its schema."""
    named = list(zip(func._schema.arguments, args)) + [(a, kwargs.get(a.name)) for a in func._schema.arguments]
    written = [value for argument, value in named if argument.alias_info is not None and argument.alias_info.is_write]
    return [t for t in tree_leaves(written) if isinstance(t, torch.Tensor)]


def _are_indices(used: list[torch.Tensor]) -> bool:
    return bool(used) and all(has_values(t) and not (t.is_floating_point() or t.is_complex()) for t in used)


def _attention(func: Any, args: Any, kwargs: Any) -> tuple[int, int]:
    """The scored pairs of one call, half of them where it is causal, and their operations: two products for each."""
    named = {a.name: v for a, v in zip(func._schema.arguments, args)} | dict(kwargs)
    (batch, heads, queries, width), keys = named["query"].shape, named["key"].shape[-2]
    pairs = batch * heads * (causal_pairs(queries, keys) if named.get("is_causal") else queries * keys)
    return pairs, 2 * pairs * (width + named["value"].shape[-1])


def _is_view(func: Any) -> bool:
    return any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)


def _is_true_power(name: str, args: Any) -> bool:
    """Whether this is a power that needs exp and log: not a square or another small whole exponent."""
    return name.rstrip("_") == "pow" and not (len(args) > 1 and isinstance(args[1], int | float) and args[1] % 1 == 0)


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


@dataclass(frozen=True, order=True)
class _View:
    """The bytes of a storage from `start` to before `end`, and how a tensor lies in them."""

    start: int
    end: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @classmethod
    def of(cls, t: torch.Tensor) -> _View:
        start = int(t.storage_offset())
        last = start + sum((int(n) - 1) * int(step) for n, step in zip(t.shape, t.stride())) if t.numel() else start - 1
        return cls(start * t.element_size(), (last + 1) * t.element_size(), tuple(t.shape), tuple(t.stride()))


def _distinct_bytes(t: torch.Tensor) -> int:
    """The bytes of the elements of `t`, those that are repeated by a stride of 0 once."""
    elements = math.prod(n for n, step in zip(t.shape, t.stride()) if step) if t.numel() else 0
    return elements * t.element_size()
