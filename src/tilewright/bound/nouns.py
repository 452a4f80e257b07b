"""Bound, the result, and the words for what limits and how far to trust it."""

from __future__ import annotations

from typing import Literal

from ..schema import Noun

Quality = Literal["narrow", "ok", "loose", "vacuous"]
QUALITIES: tuple[Quality, ...] = ("narrow", "ok", "loose", "vacuous")
Limiter = Literal["memory", "compute", "special", "call", "vector", "cache", "link", "none"]


class Bound(Noun):
    """The two bounds in seconds. `limiter` says what limits `achievable_s`, or most of it where phases follow each
    other; `terms` holds each of its parts (s), summed over phases; and `fresh_s` what first touching freshly allocated
    outputs costs on this CPU, which is no part of the bound. `hard_derivation` says what `hard_s` was made from,
    `derivation` what both were.

    `bytes_moved` and `flops` repeat the work; `ceilings` are the rates that a roofline is drawn from: "memory" in this
    workload's mix and, where known, "cache" (bytes/s), and the matrix rate of each dtype (flop/s)."""

    hard_s: float | None = None
    achievable_s: float | None = None
    limiter: Limiter = "none"
    quality: Quality = "vacuous"
    derivation: str = ""
    hard_derivation: str = ""
    terms: dict[Limiter, float] = {}
    fresh_s: float | None = None
    bytes_moved: int = 0
    flops: int = 0
    ceilings: dict[str, float] = {}

    def fraction(self, time_s: float | None) -> float | None:
        """Return achievable_s / time_s, above 1 where the kernel beats the bound; None if either is missing."""
        return self.achievable_s / time_s if self.achievable_s and time_s else None
