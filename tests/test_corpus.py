"""The corpus: no cheat passes with an advantage, nothing wrong passes, nothing honest fails (tests/corpus/README.md).

A part of it runs with the other tests; all of it, with every time measured, in `make corpus`. With CORPUS_SECONDS set
that takes problems in the order of a day's dice, and skips candidates that it has no time left for. What is known to
get through says so in its header ("open").
"""

from __future__ import annotations

import datetime
import importlib.util
import math
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus_files import Court, Entry, complaint, court, entries

ROOT = Path(__file__).parents[1]
SECONDS = float(os.environ.get("CORPUS_SECONDS", "inf"))
ENTRIES = [e for e in entries() if not e.gpu]
FAST = [e for e in ENTRIES if e.fast][::2]  # `make test` has fifteen minutes on two cores


@pytest.fixture(scope="module")
def trial(cache_folder: Path) -> Iterator[Court]:
    with court() as made:
        yield made


def in_some_order(found: list[Entry]) -> list[Entry]:
    """All of them, or, where time is short, other problems first on other days; those of one problem together."""
    if not math.isfinite(SECONDS):
        return found
    problems = sorted({e.header["problem"] for e in found})
    random.Random(datetime.date.today().toordinal()).shuffle(problems)
    return sorted(found, key=lambda e: problems.index(e.header["problem"]))


def named(entry: Entry) -> str:
    return entry.name


def check(trial: Court, entry: Entry, timed: bool) -> None:
    _skip_what_cannot_be(trial, entry)
    found = complaint(trial, entry, timed)
    if found and "open" in entry.header:
        pytest.xfail(f"a known hole: {entry.header['open']}")
    assert not found, f"{entry.name}: {found}"


def _skip_what_cannot_be(trial: Court, entry: Entry) -> None:
    from tilewright.build.cpp import CompileError, find_compiler
    from tilewright.child.sandbox import is_weak

    if entry.header.get("needs") == "compiler":
        try:
            find_compiler()
        except CompileError:
            pytest.skip("needs a C++ compiler")
    if entry.header.get("needs") == "wall":
        record = trial.evaluator(entry).evaluate(trial.plain(entry), "screen")
        if is_weak(record.verdict.sandbox):
            pytest.skip("this kernel grants no landlock")


@pytest.mark.timed
@pytest.mark.parametrize("entry", [e for e in FAST if e.kind == "cheat"], ids=named)
def test_some_cheats(trial: Court, entry: Entry) -> None:
    check(trial, entry, timed=True)


@pytest.mark.parametrize("entry", [e for e in FAST if e.kind != "cheat"], ids=named)
def test_some_that_are_wrong_or_honest(trial: Court, entry: Entry) -> None:
    check(trial, entry, timed=False)


@pytest.fixture(scope="module")
def end_s() -> float:
    return time.monotonic() + SECONDS


@pytest.mark.corpus
@pytest.mark.parametrize("entry", in_some_order(ENTRIES), ids=named)
def test_the_corpus(trial: Court, entry: Entry, end_s: float) -> None:
    if time.monotonic() > end_s:
        pytest.skip(f"the {SECONDS:.0f} s for the corpus are over")
    check(trial, entry, timed=True)


def test_there_is_enough_of_it() -> None:
    every = Counter(e.kind for e in ENTRIES)
    own = Counter(e.kind for e in ENTRIES if "outside" not in e.path.parts)
    fast = Counter(e.kind for e in FAST)
    assert every["cheat"] >= 60 and every["wrong"] >= 40 and every["honest"] >= 40
    assert all(8 * fast[kind] >= own[kind] for kind in own)
    assert all(e.problem.is_file() for e in entries())


def test_the_table_is_that_of_the_corpus() -> None:
    spec = importlib.util.spec_from_file_location("corpus_table", ROOT / "bench" / "corpus_table.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "corpus.md").read_text() == module.page(), "run: python bench/corpus_table.py"
