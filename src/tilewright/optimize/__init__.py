"""The search for a faster candidate, under one budget.

start.py       begin a run in a folder, or go on with one
loop.py        seeds, then settings: ask, evaluate in the background, tell
finals.py      the best few against the best baseline, paired, and the winner certified
seeds.py       baselines and seeds, and their order
history.py     what a run knows, made from its events alone
budget.py      one budget that counts from the command's start
result.py      what is returned, and the files it leaves
strategies/    who is next, one file each
proposers/     how a candidate is made, one file each
rowwise/       C++ for row-wise chains, generated from the reference
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from .loop import Settings
from .result import Best, Result
from .start import optimize, resume

__all__ = ["Best", "Result", "Settings", "optimize", "resume"]


class _CallableModule(ModuleType):
    """`tilewright.optimize` is this package and the public function at once: the design gives both the same word."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return import_module("tilewright.api").optimize(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
