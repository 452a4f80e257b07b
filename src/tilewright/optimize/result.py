"""What a run returns, and the files it leaves: best.py, ready to import, and result.json."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from .. import ops, sources
from ..candidate import Candidate
from ..measure.nouns import Comparison
from ..schema import Noun

BEST = "best.py"
RESULT = "result.json"

Outcome = Literal["improved", "level", "nothing_better"]

_CALLS = re.compile(r"\bops(?:\.get\([\"'](\w+)[\"']\)|\.(\w+))")


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
    than the best baseline), or "nothing_better" (the best baseline is returned). `source_digests` are those of the
    operators and generators that the candidates were made from or by, by name."""

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
    source_digests: dict[str, str] = {}

    @property
    def exit_code(self) -> int:
        return 0 if self.status in ("improved", "level") else 1


def source_digest(name: str, arch: str = "") -> str:
    """Return the digest of the sources of `name`, an operator (for `arch`) or a generator, which is a folder beside
    this file; KeyError for any other name."""
    folder = Path(__file__).parent / name
    if name in ops.names():
        return ops.source_digest(name, arch)
    if not _generates(name):
        raise KeyError(f"{name!r} is no operator of the library and no generator of kernels")
    return sources.digest(sources.files_of(folder))


def source_digests(candidates: Iterable[Candidate], arch: str = "") -> dict[str, str]:
    """Return the digests of all sources in this package that figures of `candidates` depend on: the operators that
    their texts name, and the generators that wrote those texts."""
    names = set()
    for candidate in candidates:
        called = {word for found in _CALLS.findall(candidate.source) for word in found}
        names |= called & set(ops.names()) | ({candidate.origin} if _generates(candidate.origin) else set())
    return {name: source_digest(name, arch) for name in sorted(names)}


def _generates(origin: str) -> bool:
    return origin.isidentifier() and (Path(__file__).parent / origin / "__init__.py").is_file()


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
