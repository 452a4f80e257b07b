"""tilewright finds, proves and ships the fastest correct kernel for a tensor computation.

The names below are imported on first use, so that `import tilewright` and the command line start at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "check": "api",
    "bench": "api",
    "optimize": "api",
    "profile": "api",
    "export": "api",
    "evaluate": "evaluate",
    "Problem": "problem",
    "Workload": "problem",
    "Cost": "problem",
    "Inputs": "problem",
    "Parameter": "problem",
    "Space": "problem",
    "Candidate": "candidate",
    "Status": "candidate",
    "Device": "device",
    "Record": "record",
}

__all__ = ["__version__", "ops", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name == "ops":
        return import_module(".ops", __name__)
    if name == "__version__":
        return _version()
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tilewright' has no attribute {name!r}")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tilewright")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted(__all__)
