"""Strategies say which settings are tried next; a strategy is a file found by listing this folder.

Such a file defines `strategy(space, seed) -> Strategy`. The rules, which the tests hold every file of the folder to:
asks are always allowed by the space and never repeat; the default comes first; results may come late, out of order,
twice, or for settings that were never asked (a resumed run tells what it has learned); the same seed and the same
order of asks and tells give the same asks.
"""

from __future__ import annotations

import itertools
import pkgutil
import random
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from ...problem import Space
from ...schema import canonical_json

# Up to this many combinations are listed, so that the end of a space is known; beyond it they are drawn.
LISTED = 20_000
DRAWS = 2_000


@dataclass(frozen=True)
class WorkItem:
    """One point of a space to be evaluated. `key` names the settings, whatever their order."""

    settings: dict[str, Any]

    @property
    def key(self) -> str:
        return canonical_json(self.settings)


class Strategy(Protocol):
    """Who is next. `tell` takes the median time in seconds, or None where the settings failed."""

    def ask(self, k: int) -> list[WorkItem]: ...

    def tell(self, item: WorkItem, time_s: float | None) -> None: ...

    def done(self) -> bool: ...


class Trials:
    """What every strategy needs: the default first, no repeats, only allowed settings, and to know the end.

    A subclass gives `suggest() -> settings | None`; where that is None, or was seen before, or is not allowed, fresh
    settings are drawn at random.
    """

    def __init__(self, space: Space, seed: int):
        self.space = space
        self.random = random.Random(seed)
        self.told: dict[str, float | None] = {}
        self._seen: set[str] = set()
        self._rest = self._fresh_at_random()
        self._next: dict[str, Any] | None = None

    def ask(self, k: int) -> list[WorkItem]:
        items: list[WorkItem] = []
        while len(items) < k and not self.done():
            items.append(self._ask_one())
        return items

    def tell(self, item: WorkItem, time_s: float | None) -> None:
        if item.key in self.told:
            return
        self._seen.add(item.key)
        self.told[item.key] = time_s
        self.learn(item, time_s)

    def done(self) -> bool:
        """Whether every allowed setting was asked or told (of a space too large to list: no fresh one is found)."""
        while self._next is None or canonical_json(self._next) in self._seen:
            self._next = next(self._rest, None)
            if self._next is None:
                return True
        return False

    def suggest(self) -> dict[str, Any] | None:
        return None

    def learn(self, item: WorkItem, time_s: float | None) -> None:
        """Take a result in; called once for each point."""

    def is_fresh(self, settings: dict[str, Any]) -> bool:
        return canonical_json(settings) not in self._seen and self.space.allows(settings)

    def _ask_one(self) -> WorkItem:
        default = self.space.defaults()
        settings = default if self.is_fresh(default) else self.suggest()
        if settings is None or not self.is_fresh(settings):
            assert self._next is not None
            settings = self._next
        item = WorkItem(dict(settings))
        self._seen.add(item.key)
        return item

    def _fresh_at_random(self) -> Iterator[dict[str, Any]]:
        names = [p.name for p in self.space.parameters]
        if self.space.size <= LISTED:
            every = itertools.product(*(p.values for p in self.space.parameters))
            points = [p for p in (dict(zip(names, values, strict=True)) for values in every) if self.space.allows(p)]
            self.random.shuffle(points)
            yield from points
            return
        misses = 0
        while misses < DRAWS:
            point = {p.name: self.random.choice(p.values) for p in self.space.parameters}
            fresh = self.is_fresh(point)
            misses = 0 if fresh else misses + 1
            if fresh:
                yield point


def names() -> list[str]:
    """The strategies there are: the files of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def make(name: str, space: Space, seed: int) -> Strategy:
    """Return a new strategy over `space`; ValueError names those that exist."""
    if name not in names():
        raise ValueError(f"no strategy {name!r}; there are {', '.join(names())}")
    made: Strategy = import_module(f".{name}", __name__).strategy(space, seed)
    return made
