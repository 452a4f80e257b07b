"""One Python object of nested tuples, lists and dicts, taken apart into arguments and put together again.

A layout says how: {"kind": "tuple" | "list", "items": [...]}, {"kind": "dict", "items": {key: ...}}, {"kind": "leaf",
"name": argument}, or {"kind": "buffer", "name": argument, "dtype": ...}: a tensor that a kernel only writes its result
into. A buffer is made anew for each call; its argument carries the shape alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ._errors import InputError

Layout = dict[str, Any]
MOST_LEAVES = 1000


def layout_of(data: Any, names: Sequence[str], base: str) -> Layout:
    """Return the layout of `data`; a top-level tuple's parts are called `names` where these are as many."""
    if isinstance(data, tuple | list) and len(names) == len(data) and len(set(names)) == len(names):
        parts = [_layout(item, name) for item, name in zip(data, names, strict=True)]
        found: Layout = {"kind": type(data).__name__ if type(data) in (tuple, list) else "tuple", "items": parts}
    else:
        found = _layout(data, base)
    leaves = list(leaves_of(found))
    if len(leaves) > MOST_LEAVES or len({leaf["name"] for leaf in leaves}) < len(leaves):
        raise InputError(f"generate_input returns {len(leaves)} values, or some whose names cannot be told apart")
    return found


def _layout(value: Any, name: str) -> Layout:
    import torch

    if isinstance(value, tuple | list):
        kind = "list" if isinstance(value, list) else "tuple"
        return {"kind": kind, "items": [_layout(item, f"{name}_{i}") for i, item in enumerate(value)]}
    if isinstance(value, dict):
        if not all(isinstance(k, str | int) for k in value):
            raise InputError("generate_input returns a dict whose keys are neither names nor numbers")
        return {"kind": "dict", "items": [[k, _layout(v, f"{name}_{_word(k)}")] for k, v in value.items()]}
    if isinstance(value, torch.nn.Module) or not isinstance(
        value, torch.Tensor | torch.dtype | bool | int | float | str | None
    ):
        raise InputError(
            f"generate_input returns a {type(value).__name__}; tensors, numbers, words and tuples, lists and dicts of "
            "such can be handed to a kernel in a process of its own"
        )
    return {"kind": "leaf", "name": name}


def _word(key: Any) -> str:
    return "".join(c if c.isalnum() else "_" for c in str(key))


def leaves_of(layout: Layout) -> Iterator[Layout]:
    """Every leaf and buffer, in order."""
    if layout["kind"] in ("leaf", "buffer"):
        yield layout
    else:
        for item in layout["items"]:
            yield from leaves_of(item[1] if layout["kind"] == "dict" else item)


def values_of(layout: Layout, data: Any) -> list[Any]:
    """Return the values of `data` at the leaves of `layout`, in order; InputError when `data` is built otherwise."""
    if layout["kind"] in ("leaf", "buffer"):
        return [data]
    parts = layout["items"]
    if layout["kind"] == "dict":
        if not isinstance(data, dict) or list(data) != [k for k, _ in parts]:
            raise InputError("generate_input returns dicts with other keys for other sizes; one layout is needed")
        return [v for k, part in parts for v in values_of(part, data[k])]
    if not isinstance(data, tuple | list) or len(data) != len(parts):
        raise InputError("generate_input returns other numbers of values for other sizes; one layout is needed")
    return [v for part, item in zip(parts, data, strict=True) for v in values_of(part, item)]


def text_of(layout: Layout, leaf: Callable[[Layout], str]) -> str:
    """Return the expression that puts `layout` together, each leaf written by `leaf`."""
    if layout["kind"] in ("leaf", "buffer"):
        return leaf(layout)
    if layout["kind"] == "dict":
        return "{" + ", ".join(f"{k!r}: {text_of(part, leaf)}" for k, part in layout["items"]) + "}"
    inside = ", ".join(text_of(part, leaf) for part in layout["items"])
    if layout["kind"] == "list":
        return f"[{inside}]"
    return f"({inside},)" if len(layout["items"]) == 1 else f"({inside})"


def paths_of(layout: Layout, path: str) -> list[tuple[Layout, str]]:
    """Every leaf with the expression that takes it out of the object called `path`."""
    if layout["kind"] in ("leaf", "buffer"):
        return [(layout, path)]
    keys = [k for k, _ in layout["items"]] if layout["kind"] == "dict" else range(len(layout["items"]))
    parts = [part for _, part in layout["items"]] if layout["kind"] == "dict" else layout["items"]
    return [found for k, part in zip(keys, parts, strict=True) for found in paths_of(part, f"{path}[{k!r}]")]
