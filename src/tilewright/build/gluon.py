"""Gluon: Triton's lower language, where layouts, shared memory and asynchronous copies are written by hand.

Launches are recorded and compiled like Triton's own (a Gluon kernel is a kind of JIT function); what differs is that
a Gluon kernel names the machine it was written for, so it is compiled for that machine's family alone. Gluon is
experimental in Triton: a missing or changed module is reported, never worked around.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from ..candidate import CandidateError, Status
from .facts import CompileFacts
from .triton import capture, cross_compile, distinct

INSTALL_HINT = "this Triton has no Gluon (triton.experimental.gluon): pip install 'triton>=3.6'"


def require_gluon() -> ModuleType:
    """Return the module `triton.experimental.gluon`; CandidateError(INFRA_ERROR) says what to install."""
    try:
        return import_module("triton.experimental.gluon")
    except ImportError:
        raise CandidateError(Status.INFRA_ERROR, INSTALL_HINT) from None


def facts_of(fn: Callable[[], Any], target: str) -> Mapping[str, CompileFacts]:
    """Record what `fn` launches and compile its Gluon kernels for `target`: {kernel: facts}.

    CandidateError(COMPILE_ERROR) carries the first line of a failure, or says that nothing in Gluon was launched.
    """
    require_gluon()
    launches = [launch for launch in distinct(capture(fn, target=target)) if launch.kernel.is_gluon()]
    if not launches:
        raise CandidateError(Status.COMPILE_ERROR, "the launcher started no Gluon kernel (@gluon.jit)")
    return {launch.name: cross_compile(launch, target) for launch in launches}
