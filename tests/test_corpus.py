"""The corpus: no cheat passes with an advantage, nothing wrong passes, nothing honest fails (tests/corpus/README.md).

A part of it runs with the other tests; all of it, with every time measured, in `make corpus`. What is known to
get through says so in its header ("open").
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus_files import Court, Entry, complaint, court, entries

ROOT = Path(__file__).parents[1]
ENTRIES = [e for e in entries() if not e.gpu]
FAST = [e for e in ENTRIES if e.fast][::2]  # `make test` has fifteen minutes on two cores


@pytest.fixture(scope="module")
def trial(cache_folder: Path) -> Iterator[Court]:
    with court() as made:
        yield made


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


@pytest.mark.corpus
@pytest.mark.parametrize("entry", ENTRIES, ids=named)
def test_the_corpus(trial: Court, entry: Entry) -> None:
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
