"""The least work of one call of an operator, from what the profiler saw of its arguments.

The call is made again on the meta device, where tensors have shapes, strides and dtypes but no memory, and counted by
`counting`, which the bounds of problems come from too. What the profiler does not tell (the values in a tensor, texts,
generators) is left at its default, or empty; a call that cannot be made so has no cost, and the reason is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..counting import count_call
from ..device.machine import precision_flags
from ..problem import Cost
from .calls import Call
from .events import Arguments

if TYPE_CHECKING:
    import torch

_DTYPES = {
    "float": "float32",
    "double": "float64",
    "c10::BFloat16": "bfloat16",
    "c10::Half": "float16",
    "c10::Float8_e4m3fn": "float8_e4m3fn",
    "c10::Float8_e5m2": "float8_e5m2",
    "c10::complex<float>": "complex64",
    "c10::complex<double>": "complex128",
    "signed char": "int8",
    "unsigned char": "uint8",
    "short int": "int16",
    "short": "int16",
    "int": "int32",
    "long int": "int64",
    "long": "int64",
    "bool": "bool",
}
# What waits for, or moves data from, where the machine's ceilings say nothing about it.
_PRODUCTS = ("mm", "linear", "matmul", "attention")
_NEAR = 32  # calls, within which the dtype of a list is looked for
_NO_WORK_OF_THE_DEVICE = ("aten::item", "aten::_local_scalar_dense", "aten::is_nonzero", "aten::equal")


@dataclass(frozen=True)
class Counted:
    """The cost of a call, or why it has none. `list_dtype` is the dtype that tensors in lists were taken to have."""

    cost: Cost | None
    why: str = ""
    list_dtype: str = ""


def dtype_name(profiled: str) -> str:
    """The dtype that the profiler calls `profiled` ("c10::BFloat16" -> "bfloat16"); "" for what is no tensor."""
    return _DTYPES.get(profiled, "")


def costs_of(calls: Sequence[Call]) -> tuple[Counted, ...]:
    """Return the cost of each of `calls`, which follow each other; calls of one kind are counted once."""
    known: dict[tuple[str, Arguments, str, bool], Counted] = {}
    found = []
    for at, call in enumerate(calls):
        key = (call.name, call.arguments, _list_dtype(calls, at), _crosses(call))
        if key not in known:
            known[key] = cost_of_call(call, key[2])
        found.append(known[key])
    return tuple(found)


def _list_dtype(calls: Sequence[Call], at: int) -> str:
    """The dtype of the tensors in the lists of call `at`: that of the nearest call with a tensor of one of their
    shapes; "" where there is none. Calls before it come first, as they made them."""
    shapes = {
        s
        for d, shape in zip(calls[at].arguments.dtypes, calls[at].arguments.shapes)
        if d == "TensorList"
        for s in shape
    }
    if not shapes:
        return ""
    near = sorted(
        (i for i in range(max(0, at - _NEAR), min(len(calls), at + _NEAR)) if i != at), key=lambda i: (abs(i - at), i)
    )
    for i in near:
        for dtype, shape in zip(calls[i].arguments.dtypes, calls[i].arguments.shapes):
            if shape in shapes and dtype in _DTYPES:
                return _DTYPES[dtype]
    return ""


def cost_of_call(call: Call, list_dtype: str = "") -> Counted:
    """Return what `call` must do at least; `list_dtype` is the dtype of lists of tensors, of which the profiler tells
    none."""
    if call.name.split(".")[0] in _NO_WORK_OF_THE_DEVICE:
        return Counted(None, "hands a value to the host")
    if _crosses(call):
        return Counted(None, "copies between host and device")
    try:
        operator = operator_of(call)
        args, kwargs = arguments_of(operator, call.arguments, list_dtype)
        cost = count_call(operator, args, kwargs)
        return Counted(in_tf32(cost) if call.kernels and _takes_tf32(call) else cost, list_dtype=list_dtype)
    except Exception as error:  # noqa: BLE001  (operators refuse shapes alone in many ways; the row says which)
        return Counted(None, f"{type(error).__name__}: {' '.join(str(error).split())[:120]}")


def in_tf32(cost: Cost) -> Cost:
    """Return `cost` with its float32 products as TF32 ones."""
    return cost.with_(flops={"tf32" if d == "float32" else d: n for d, n in cost.flops.items()})


def _takes_tf32(call: Call) -> bool:
    """Whether this process lets the GPU compute the float32 products of `call` in TF32."""
    name, flags = call.name, precision_flags()
    if "conv" in name:
        return bool(flags.get("cudnn_tf32"))
    return any(part in name for part in _PRODUCTS) and bool(flags.get("matmul_tf32"))


def _crosses(call: Call) -> bool:
    """Whether all that `call` did on the device was to move data to or from the host."""
    return bool(call.kernels) and all(k.name.startswith(("Memcpy HtoD", "Memcpy DtoH")) for k in call.kernels)


def operator_of(call: Call) -> Any:
    """Return the operator with its overload, torch.ops.aten.add.Tensor for "aten::add.Tensor". LookupError if torch
    has no such operator in this process."""
    import torch

    library, _, rest = call.name.partition("::")
    name, _, overload = rest.partition(".")
    try:
        return getattr(getattr(getattr(torch.ops, library), name), overload or "default")
    except AttributeError:
        raise LookupError("torch has no such operator in this process") from None


def arguments_of(operator: Any, seen: Arguments, list_dtype: str = "") -> tuple[list[Any], dict[str, Any]]:
    """Return positional and keyword arguments for `operator`, with meta tensors. ValueError where they do not fit."""
    expected = operator._schema.arguments
    if len(expected) != len(seen.dtypes):
        raise ValueError(f"the profiler saw {len(seen.dtypes)} arguments of {len(expected)}")
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for index, argument in enumerate(expected):
        value = _value(argument, seen, index, list_dtype)
        if argument.kwarg_only:
            kwargs[argument.name] = value
        else:
            args.append(value)
    return args, kwargs


def _value(argument: Any, seen: Arguments, index: int, list_dtype: str) -> Any:
    import torch

    kind, dtype, shape, strides = str(argument.type), seen.dtypes[index], seen.shapes[index], seen.strides[index]
    if dtype in _DTYPES and "Tensor" in kind:
        return _meta(shape, strides, getattr(torch, _DTYPES[dtype]))
    if dtype == "TensorList" and list_dtype:
        return [_meta(s, t, getattr(torch, list_dtype)) for s, t in zip(shape, strides, strict=True)]
    if "Device" in kind:
        return torch.device("meta")
    value = None if "Tensor" in kind or "Generator" in kind else seen.value(index)
    if value is None and argument.has_default_value():
        value = argument.default_value
    if value is None and kind == "str":
        value = ""
    if dtype in ("TensorList", *_DTYPES) or (value is None and not kind.startswith("Optional")):
        raise ValueError(f"the profiler does not tell `{argument.name}`, a {kind}")
    return value


def _meta(shape: Any, strides: Any, dtype: torch.dtype) -> torch.Tensor:
    import torch

    if len(strides) != len(shape):
        return torch.empty(shape, dtype=dtype, device="meta")
    return torch.empty_strided(shape, strides, dtype=dtype, device="meta")
