"""Arguments that are no tensors, as JSON and back: what a child is told of a call. Standard library only.

A constructor is written for the very types that it is given: a tuple must not arrive as a list, nor a dtype as a word.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_SEQUENCES = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
_NAMED = ("dtype", "layout", "memory_format")  # of torch: their text is their name


class Unsendable(TypeError):
    """A value of a call that a child cannot be told of; one line for the user."""


def described(path: str, value: Any, tensor: Callable[[str, Any], Any]) -> dict[str, Any]:
    """Return `value` as JSON; a tensor at `path` is what `tensor(path, value)` says. Unsendable: it has no form."""
    torch = sys.modules["torch"]  # who has values to hand over has imported it
    if isinstance(value, torch.Tensor):
        return {"tensor": tensor(path, value)}
    if value is None or type(value) in (bool, int, float, str):
        return {"value": value}
    if isinstance(value, list | tuple | set | frozenset):
        kind = "Size" if isinstance(value, torch.Size) else type(value).__name__
        if kind == "Size" or kind in _SEQUENCES:
            return {"list": [described(f"{path}.{i}", v, tensor) for i, v in enumerate(value)], "kind": kind}
    if type(value) is dict:
        pairs = enumerate(value.items())
        return {"dict": [[described(f"{path}.{i}", part, tensor) for part in pair] for i, pair in pairs]}
    if type(value).__name__ in _NAMED and str(value).startswith("torch."):
        return {"name": str(value)}
    return _described_by_text(path, value, torch)


def _described_by_text(path: str, value: Any, torch: Any) -> dict[str, Any]:
    if isinstance(value, torch.device):
        return {"device": str(value)}
    if type(value) is complex:
        return {"complex": [value.real, value.imag]}
    if isinstance(value, slice | range):
        return {type(value).__name__: [value.start, value.stop, value.step]}
    own = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
    for name in (own, f"torch.{getattr(value, '__name__', '')}"):  # what is written in C has no module
        if name.startswith("torch.") and _named(name) is value:
            return {"name": name}
    raise Unsendable(
        f"{path} is a {type(value).__name__}, which cannot be handed to a process of its own; use tensors, numbers, "
        "words, None, lists, tuples, dicts, dtypes, devices, or what torch itself defines"
    )


def restored(description: dict[str, Any], tensor: Callable[[Any], Any]) -> Any:
    """Return the value that `description` is of; `tensor` makes those that are tensors."""
    ((kind, data), *_) = description.items()
    if kind == "value":
        return data
    if kind == "tensor":
        return tensor(data)
    if kind == "list":
        parts = [restored(one, tensor) for one in data]
        made = _SEQUENCES.get(description["kind"]) or sys.modules["torch"].Size
        return made(parts)
    if kind == "dict":
        return {restored(k, tensor): restored(v, tensor) for k, v in data}
    if kind == "name":
        return _named(data)
    makers = {"device": lambda d: sys.modules["torch"].device(d), "complex": lambda d: complex(*d)}
    return {**makers, "slice": lambda d: slice(*d), "range": lambda d: range(*d)}[kind](data)


def _named(name: str) -> Any:
    """What "torch.nn.modules.activation.ReLU" or "torch.float32" names; None if nothing."""
    module, _, rest = name.rpartition(".")
    while module and module not in sys.modules:
        module, _, before = module.rpartition(".")
        rest = f"{before}.{rest}"
    found: Any = sys.modules.get(module)
    for part in rest.split("."):
        found = getattr(found, part, None)
    return found
