"""SOL-ExecBench: a folder with definition.json, workload.jsonl and solutions, or one of these files.

Its files are those of FlashInfer-Bench with computed axes, inputs made by a function, tolerances and more languages.
Tolerances are not used, since ours are derived. Fields that we do not know are kept and written back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..candidate import Candidate
from ..problem import Problem
from . import _trace_set
from ._export import trace_files

NAME = "sol"
DIALECTS = ("flashinfer", "sol")

bind = _trace_set.bind
holds = _trace_set.holds
pose = _trace_set.pose
offers = _trace_set.offers
survey = _trace_set.survey


def opens(path: Path) -> Any:
    found = _trace_set.find(path)
    return found if found is not None and found.dialect == NAME else None


def write(candidate: Candidate, problem: Problem) -> dict[str, str]:
    """Return definition, workloads and solution as files; the problem's own where it is of these formats."""
    return trace_files(candidate, problem, NAME)
