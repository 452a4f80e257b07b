"""Settings at random, each once: the baseline that every other strategy has to beat."""

from __future__ import annotations

from ...problem import Space
from . import Strategy, Trials


def strategy(space: Space, seed: int) -> Strategy:
    return Trials(space, seed)
