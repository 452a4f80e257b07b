"""The operators: one file (or folder) each, found by listing this folder.

`tilewright.ops.rms_norm(...)` is the function, `get("rms_norm")` its problem, `names()` what there is. The name of the
file, of its public function and of its `PROBLEM` are one word. Files that start with an underscore are no operators.
"""

from __future__ import annotations

import inspect
import pkgutil
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import sources
from ..problem import Problem


def names() -> tuple[str, ...]:
    """Return the names of all operators, sorted; imports none of them."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")))


def module(name: str) -> ModuleType:
    """Return the module of operator `name`; KeyError names the operators that exist."""
    if name not in names():
        raise KeyError(f"there is no operator {name!r}; there are {', '.join(names())}")
    return import_module(f"{__name__}.{name}")


@cache
def get(name: str) -> Problem:
    """Return the problem that operator `name` solves, its digest made of the operator's source.

    KeyError names the operators that exist; ImportError says how a file breaks the rule of one word.
    """
    found = module(name)
    problem = getattr(found, "PROBLEM", None)
    if not isinstance(problem, Problem) or problem.name != name or not callable(getattr(found, name, None)):
        raise ImportError(f"ops/{name}.py must define the function {name} and PROBLEM = Problem(name={name!r}, ...)")
    return problem if problem.source else problem.with_(source=inspect.getsource(found))


def source_digest(name: str, arch: str = "") -> str:
    """Return the digest of all that figures of operator `name` depend on in this package: its file or folder, what of
    `_lib` and of `build` it reaches, and its settings for `arch` (as a device calls itself; for any, if not given).

    Comments, docstrings and layout do not change it. KeyError names the operators that exist.
    """
    if name not in names():
        raise KeyError(f"there is no operator {name!r}; there are {', '.join(names())}")
    folder = Path(__file__).parent
    own = sources.files_of(folder / name) if (folder / name).is_dir() else [folder / f"{name}.py"]
    return sources.digest([*own, *folder.glob(f"{name}.{arch.replace('_', '') or '*'}.json")])


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in names():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; operators: {', '.join(names())}")
    return getattr(module(name), name)


def __dir__() -> list[str]:
    return sorted({"get", "module", "names", "source_digest", *names()})


class _Operators(ModuleType):
    """Importing `tilewright.ops.rms_norm` binds that submodule's name here; the name must stay the function."""

    def __setattr__(self, name: str, value: Any) -> None:
        is_operator = isinstance(value, ModuleType) and not name.startswith("_")
        super().__setattr__(name, getattr(value, name, value) if is_operator else value)


sys.modules[__name__].__class__ = _Operators
