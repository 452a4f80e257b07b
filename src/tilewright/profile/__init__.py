"""Where the time of a model goes, and how much of it the machine's limits leave to recover.

    events.py          a trace of torch.profiler, read
    calls.py           events -> outermost operators, the device work that they launched, the modules that they are in
    modules.py         the calls of modules, annotated and described
    recorder.py        warm up, profile, keep one run
    script.py          the same for a script, in a process of its own, which is program.py
    call_cost.py       the least work of one call, counted on shapes alone
    bounds.py          its bound on this device, and that of a module as one kernel
    ranking.py         all of it by recoverable time: nouns.ProfileResult
    fits.py            which operator of the library could stand in
    problem_files.py   a module as a problem file
    saving.py          the files that are left: problems, JSON, page

`tilewright.profile` is this package and the public function at once: the design gives both the same word.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallableModule(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return import_module("tilewright.api").profile(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
