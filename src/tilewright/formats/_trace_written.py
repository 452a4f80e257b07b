"""The result of a check as traces of FlashInfer-Bench and SOL-ExecBench: one line of JSON for each workload.

Their words for a verdict are fewer than ours, which stands in the log. The workload is written back as it was read,
with every field that we do not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..candidate import Candidate, Status
from ..problem import Problem
from ._errors import InputError
from ._trace_set import parts_of

DIALECTS = ("flashinfer", "sol")
_THEIRS = ("PASSED", "INCORRECT_SHAPE", "INCORRECT_NUMERICAL", "INCORRECT_DTYPE", "RUNTIME_ERROR", "COMPILE_ERROR",
           "TIMEOUT")  # fmt: skip
_VALUES = (Status.NONFINITE, Status.MUTATED_INPUT, Status.ALIASED_OUTPUT, Status.NONDETERMINISTIC)
_CHEATS = (Status.REWARD_HACK, Status.BOUND_VIOLATION, Status.TIMING_INCONSISTENT)
_HARDWARE = ("device", "cpu")
_LIBRARIES = ("tilewright", "torch", "triton", "python")


@dataclass(frozen=True)
class Traced:
    """What became of `candidate` on the workload called `workload`: our status and words, the largest error of an
    output (in its units) where it was looked at, and the times of one call of it and of the reference in seconds."""

    candidate: Candidate
    workload: str
    status: str
    detail: str
    largest_error: float | None = None
    time_s: float | None = None
    reference_s: float | None = None


def refuse_others(problem: Problem) -> None:
    """InputError where the problem is of a format that has no traces."""
    if problem.format not in DIALECTS:
        raise InputError(f"{problem.name} is no problem of FlashInfer-Bench or SOL-ExecBench, which have traces")


def write_traces(
    path: Path, problem: Problem, found: Iterable[Traced], environment: Mapping[str, Any], timestamp: str
) -> None:
    """Append a line for each of `found` to the file `path`; InputError if it cannot be written."""
    definition, entries, _ = parts_of(problem)
    by_uuid = {entry.uuid: entry.dump() for entry in entries}
    uuids = {workload.name: workload.source for workload in problem.workloads}
    lines = [
        {
            "definition": definition.name,
            "workload": by_uuid[uuids[one.workload]],
            "solution": _name_of(one.candidate),
            "evaluation": _evaluation(one, problem.format, environment, timestamp),
        }
        for one in found
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None


def _name_of(candidate: Candidate) -> str:
    kept = (candidate.model_extra or {}).get("solution")
    return str(kept["solution"]["name"]) if kept else candidate.name


def _evaluation(one: Traced, dialect: str, environment: Mapping[str, Any], timestamp: str) -> dict[str, Any]:
    status = _status(one.status, dialect)
    libraries = {name: str(environment[name]) for name in _LIBRARIES if environment.get(name)}
    hardware = next((str(environment[key]) for key in _HARDWARE if environment.get(key)), "unknown")
    evaluation: dict[str, Any] = {
        "status": status,
        "environment": {"hardware": hardware, "libs": libraries},
        "timestamp": timestamp,
        "log": f"{one.status}: {one.detail}" if one.detail or one.status != status else "",
    }
    if status in ("PASSED", "INCORRECT_NUMERICAL"):
        error = one.largest_error
        evaluation["correctness"] = {} if error is None else {"max_absolute_error": error}
    if status == "PASSED":
        evaluation["performance"] = _performance(one)
    return evaluation


def _performance(one: Traced) -> dict[str, float]:
    """What was measured, and no zeros for the rest."""
    if one.time_s is None:
        return {}
    found = {"latency_ms": 1e3 * one.time_s}
    if one.reference_s is not None:
        found |= {"reference_latency_ms": 1e3 * one.reference_s, "speedup_factor": one.reference_s / one.time_s}
    return found


def _status(ours: str, dialect: str) -> str:
    """Their word for our status: the same, or the nearest."""
    if ours in _THEIRS:
        return ours
    if ours in _VALUES:
        return "INCORRECT_NUMERICAL"
    if ours == Status.COMPILE_TIMEOUT:
        return "COMPILE_ERROR"
    return "REWARD_HACK" if dialect == "sol" and ours in _CHEATS else "RUNTIME_ERROR"
