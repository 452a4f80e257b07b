"""The candidates of the corpus that need a GPU: streams, graphs, events."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from corpus_files import Court, Entry, complaint, court, entries

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def trial() -> Iterator[Court]:
    with court("cuda") as made:
        yield made


@pytest.mark.parametrize("entry", [e for e in entries() if e.gpu], ids=lambda e: e.name)
def test_the_corpus_on_a_gpu(trial: Court, entry: Entry) -> None:
    found = complaint(trial, entry, timed=True)
    assert not found, f"{entry.name}: {found}"
