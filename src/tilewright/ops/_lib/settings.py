"""Tuned settings are data: `<op>.<arch>.json` beside the operator, read here and chosen by a pure function.

A file is {"op", "arch", "origin", "entries": [...]}, an entry {"kernel", "dtype" (optional), "axes", "settings"};
further keys, such as what was measured and on what, are for readers. An entry speaks for sizes within half a power of
two of its own on every axis it names. Sizes that no entry speaks for get the operator's defaults: a far size is never
snapped to a neighbour.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

# Half a power of two: neighbouring buckets at powers of two cover everything between them, and nothing twice.
REACH_LOG2 = 0.5

# Settings on trial, by operator and kernel; they replace what the files say. Set by tuners alone.
_trials: ContextVar[Mapping[tuple[str, str], Mapping[str, Any]] | None] = ContextVar("tilewright_trials", default=None)

OPS_FOLDER = Path(__file__).resolve().parent.parent


@cache
def entries(op: str, arch: str) -> tuple[Mapping[str, Any], ...]:
    """Return the entries of `<op>.<arch>.json`, empty for an architecture that has no file."""
    path = OPS_FOLDER / f"{op}.{arch}.json"
    return tuple(json.loads(path.read_text())["entries"]) if path.exists() else ()


def distance(wanted: Mapping[str, int], bucket: Mapping[str, int]) -> float:
    """Return the largest |log2 ratio| over the axes of `bucket`; infinite where `wanted` lacks an axis or is empty."""
    if any(wanted.get(axis, 0) < 1 for axis in bucket):
        return math.inf
    return max((abs(math.log2(wanted[axis] / size)) for axis, size in bucket.items()), default=0.0)


def nearest(
    table: tuple[Mapping[str, Any], ...], kernel: str, dtype: str, axes: Mapping[str, int]
) -> Mapping[str, Any] | None:
    """Return the settings of the nearest entry within reach, or None. Ties go to the earlier entry."""
    fitting = [e for e in table if e["kernel"] == kernel and e.get("dtype", dtype) == dtype]
    best = min(fitting, key=lambda e: distance(axes, e["axes"]), default=None)
    if best is None or distance(axes, best["axes"]) > REACH_LOG2:
        return None
    return best["settings"]


@contextmanager
def trial(op: str, kernel: str, settings: Mapping[str, Any]) -> Iterator[None]:
    """Within this context kernel `kernel` of `op` runs with `settings`, whatever its size."""
    token = _trials.set({**(_trials.get() or {}), (op, kernel): settings})
    try:
        yield
    finally:
        _trials.reset(token)


def choose(
    op: str, arch: str, kernel: str, dtype: str, axes: Mapping[str, int], default: Mapping[str, Any]
) -> dict[str, Any]:
    """Return `default` overlaid with the tuned settings for this size, where there are any."""
    trials = _trials.get()
    if trials and (op, kernel) in trials:
        return {**default, **trials[op, kernel]}
    return {**default, **(nearest(entries(op, arch), kernel, dtype, axes) or {})}
