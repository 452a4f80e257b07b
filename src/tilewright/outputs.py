"""What a call returned, flat and by name. The trusted process and the child name outputs alike. No import of torch."""

from __future__ import annotations

import sys
from typing import Any


def outputs_by_name(result: Any) -> dict[str, Any]:
    """Return the outputs of a call by name: "out" for what is no container; of tuples and lists "out0", "out1", of
    dicts the keys, of containers in containers the names joined by dots. Of these only the tensors: a None, a number or
    a word in a container is no output."""
    if not isinstance(result, dict | tuple | list):
        return {"out": result}
    found: dict[str, Any] = {}
    _walk(result, "", found)
    return {"out": found["out0"]} if list(found) == ["out0"] else found


def _walk(value: Any, path: str, found: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, part in value.items():
            _walk(part, f"{path}.{key}" if path else str(key), found)
    elif isinstance(value, tuple | list):
        for index, part in enumerate(value):
            _walk(part, f"{path}.{index}" if path else f"out{index}", found)
    elif isinstance(value, sys.modules["torch"].Tensor):
        found[path] = value
