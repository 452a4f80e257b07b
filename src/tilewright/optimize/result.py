"""What a run returns, and the files it leaves: best.py, ready to import, and result.json."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from ..candidate import Candidate
from ..measure.nouns import Comparison
from ..schema import Noun

BEST = "best.py"
RESULT = "result.json"

Outcome = Literal["improved", "level", "nothing_better"]


class Baseline(Noun):
    """A baseline that passed and was timed."""

    name: str
    candidate: str
    median_s: float


class Best(Noun):
    """What to use: `candidate` is its name and `identity` its digest; `source` is the exact text that was verified and
    timed; `speedup` is over each baseline by name, above 1 is faster; `paired` is the comparison with the best
    baseline, absent when this is that baseline."""

    candidate: str
    identity: str
    origin: str = ""
    params: dict[str, JsonValue] = {}
    source: str
    median_s: float
    ci_low_s: float
    ci_high_s: float
    fraction_of_bound: float | None = None
    speedup: dict[str, float] = {}
    paired: Comparison | None = None
    certified: bool = False


class Result(Noun):
    """The outcome of a run: "improved" (certified and faster than every baseline), "level" (certified and not slower
    than the best baseline), or "nothing_better" (the best baseline is returned)."""

    status: Outcome
    run: str
    problem: str
    workload: str
    evaluations: int
    spent_s: float
    budget_s: float
    best: Best | None
    baselines: tuple[Baseline, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return 0 if self.status in ("improved", "level") else 1


def publish_best(folder: Path, candidate: Candidate) -> None:
    """Put the candidate's text into best.py, whole or not at all."""
    _replace(folder / BEST, candidate.source)


def publish(folder: Path, result: Result) -> None:
    """Write result.json, and best.py if there is a best; else what the search wrote there, unproved, goes."""
    if result.best is not None:
        _replace(folder / BEST, result.best.source)
    else:
        (folder / BEST).unlink(missing_ok=True)
    _replace(folder / RESULT, result.to_json(indent=2) + "\n")


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
