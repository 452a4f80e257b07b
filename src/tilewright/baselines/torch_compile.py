"""The reference under torch.compile, in its default mode and in the one that tunes most, with proof of it."""

from __future__ import annotations

from ..candidate import Candidate
from ..optimize.context import Context
from ..optimize.proposers import compiled

_MODES = {"compile": "torch.compile", "compile-max": "torch.compile max-autotune"}
NAMES = tuple(_MODES)


def candidate(name: str, context: Context) -> Candidate:
    return next(iter(compiled.compiled(context, [_MODES[name]])))
