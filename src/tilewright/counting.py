"""The cost of a problem whose author declared none, counted while its reference runs on shapes alone.

The reference runs once under PyTorch's fake tensors, which have shapes and dtypes but no memory. Every operation that
depends on an input is seen on its way: matrix products and convolutions by the formulas of torch's flop counter,
everything else as one operation per element, exp and its like apart. Bytes are the least that must move: the parts of
the inputs that the reference looks at once, the outputs once; nothing in between. `count_call` counts one call of one
operator of PyTorch in the same way.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from . import units
from .dispatch import QuietMode
from .problem import Cost, Problem, Workload, as_tuple


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
# Operations that read no more of their first argument than they give back.
_LOOKUPS = _names("embedding gather index index_select take")
_FLOPS_PER_ELEMENT = {"_softmax": 4, "_log_softmax": 4, "native_layer_norm": 7, "native_group_norm": 7, "var_mean": 3}
# torch's CPU attention has the signature, and so the formula, of the flash kernel.
_SAME_FORMULA = {"_scaled_dot_product_flash_attention_for_cpu": "_scaled_dot_product_flash_attention"}


def count_cost(problem: Problem, workload: Workload, small: bool = False) -> Cost:
    """Return the cost of `workload`, counted from the reference; needs no memory unless the reference branches on data.
    What is `small` is run on real data all the same: fake tensors import torch's compiler, which takes a second.

    Errors of the reference itself are raised as they are.
    """
    if small and "torch._dynamo" not in sys.modules:
        return _count(problem, workload, "on real data")
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            return _count(problem, workload, "on shapes alone")
    except Exception as error:  # noqa: BLE001  (fake tensors fail in many ways; the cost says which way was taken)
        why = f"on real data, as shapes alone gave {type(error).__name__}"
    return _count(problem, workload, why)


def _count(problem: Problem, workload: Workload, how: str) -> Cost:
    call = problem.make_inputs(workload, 0)
    with torch.no_grad(), _Counter(call.tensors().values()) as counter:
        outputs = [t for t in as_tuple(problem.run(call)) if isinstance(t, torch.Tensor)]
    read = {path: counter.bytes_read(t) for path, t in call.tensors().items()}
    written = sum(t.numel() * t.element_size() for t in outputs)
    inputs = " + ".join(f"{path.split('.', 1)[1]} {units.byte_count(b)}" for path, b in read.items() if b)
    return Cost(
        bytes_read=sum(read.values()),
        bytes_written=written,
        flops=counter.flops,
        special=counter.special,
        quality="counted",
        derivation=f"reads {inputs or 'nothing'} once, writes {units.byte_count(written)} once, counted {how}",
    )


def count_call(operator: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Cost:
    """Return the cost of one call of `operator`, such as torch.ops.aten.mm.default, alone; its tensors may be on the
    meta device, which has shapes and no memory. What is only another view of an input is not written; what is changed
    in place is. Errors of the operator are raised as they are.
    """
    inputs = [t for t in tree_leaves((args, dict(kwargs))) if isinstance(t, torch.Tensor)]
    with torch.no_grad(), _Counter(inputs) as counter:
        out = operator(*args, **kwargs)
    outputs = {_storage(t): t for t in tree_leaves(out) if isinstance(t, torch.Tensor)}
    kept = {_storage(t) for t in inputs} - counter.changed
    read = sum(counter.bytes_read(t) for t in {_storage(t): t for t in inputs}.values())
    written = sum(t.numel() * t.element_size() for place, t in outputs.items() if place not in kept)
    return Cost(
        bytes_read=read,
        bytes_written=written,
        flops=counter.flops,
        special=counter.special,
        quality="counted",
        derivation=f"reads {units.byte_count(read)}, writes {units.byte_count(written)}, counted on shapes alone",
    )


class _Counter(QuietMode):
    """Counts the operations that depend on `inputs`: a module's own initialisation is none of the work."""

    def __init__(self, inputs: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.flops: dict[str, int] = {}
        self.special = 0
        self.changed: set[int] = set()  # storages that operations wrote into
        self._seen: dict[int, dict[tuple[Any, ...], int]] = {_storage(t): {} for t in inputs}
        self._depends = set(self._seen)

    def bytes_read(self, tensor: torch.Tensor) -> int:
        """Bytes of an input that operations looked at: its distinct views, together no more than its storage."""
        return min(sum(self._seen[_storage(tensor)].values()), tensor.untyped_storage().nbytes())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        used = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        made = [t for t in tree_leaves(out) if isinstance(t, torch.Tensor)]
        if func._schema.is_mutable:
            self.changed.update(_written_to(func, args, kwargs or {}))
        if any(_storage(t) in self._depends for t in used):
            self._depends.update(_storage(t) for t in made)
            if func.namespace != "prim" and not _is_view(func):  # prim asks for a device or a dtype, not for data
                self._note(func, args, kwargs or {}, used, made, out)
        return out

    def _note(
        self, func: Any, args: Any, kwargs: Any, used: list[torch.Tensor], made: list[torch.Tensor], out: Any
    ) -> None:
        name = func._schema.name.split("::")[-1]
        for t in used:
            if (seen := self._seen.get(_storage(t))) is not None:
                view = (t.storage_offset(), tuple(t.shape), tuple(t.stride()))
                seen[view] = _lookup_bytes(t, made) if name in _LOOKUPS else t.numel() * t.element_size()
        elements = max((t.numel() for t in (*used, *made)), default=0)
        if (formula := _formula(func, name)) is not None:
            self._add(used, formula(*args, **kwargs, out_val=out))
        elif name.rstrip("_") not in _MOVES and name not in _MOVES:
            self._add(used, elements * _FLOPS_PER_ELEMENT.get(name, 1))
        if name.rstrip("_") in _SPECIAL or name in _SPECIAL or _is_true_power(name, args):
            self.special += elements

    def _add(self, used: list[torch.Tensor], flops: int) -> None:
        """Book `flops` under the dtype of the first floating input, or int8 for integer products; else not at all."""
        dtype = next((t.dtype for t in used if t.is_floating_point() or t.dtype == torch.int8), None)
        if dtype is not None:
            key = str(dtype).removeprefix("torch.")
            self.flops[key] = self.flops.get(key, 0) + int(flops)


def _written_to(func: Any, args: Any, kwargs: Any) -> list[int]:
    """The storages of the arguments that `func` writes into, by its schema."""
    named = list(zip(func._schema.arguments, args)) + [(a, kwargs.get(a.name)) for a in func._schema.arguments]
    written = [value for argument, value in named if argument.alias_info is not None and argument.alias_info.is_write]
    return [_storage(t) for t in tree_leaves(written) if isinstance(t, torch.Tensor)]


def _formula(func: Any, name: str) -> Any:
    packet = func._overloadpacket
    if name in _SAME_FORMULA:
        packet = getattr(torch.ops.aten, _SAME_FORMULA[name])
    return flop_registry.get(packet)


def _is_view(func: Any) -> bool:
    return any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)


def _is_true_power(name: str, args: Any) -> bool:
    """Whether this is a power that needs exp and log: not a square or another small whole exponent."""
    return name.rstrip("_") == "pow" and not (len(args) > 1 and isinstance(args[1], int | float) and args[1] % 1 == 0)


def _lookup_bytes(source: torch.Tensor, made: list[torch.Tensor]) -> int:
    taken = sum(t.numel() for t in made) if source.is_floating_point() else math.inf
    return int(min(source.numel(), taken)) * source.element_size()


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata
