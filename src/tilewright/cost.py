"""The least work that a problem takes: Cost, its phases, look-ups in tables, and the scored pairs of attention.

Imports nothing of ours but the base class. `work` makes costs of sparse, quantised and attention work.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .schema import Noun

Count = Annotated[int, Field(ge=0)]


class Gather(Noun):
    """`rows` look-ups, repeated ones too, of rows of `row_bytes` that lie one after the other in a table of
    `table_rows`. `distinct` is the number of different rows that is certain to be among them; None where the values
    decide: then one row is certain, and as many as independent uniform draws hit are expected. All look-ups of one
    table belong into one Gather: two might hit the same rows."""

    rows: Count
    row_bytes: Annotated[int, Field(gt=0)]
    table_rows: Annotated[int, Field(gt=0)]
    distinct: Count | None = None

    @model_validator(mode="after")
    def _distinct_rows_exist(self) -> Self:
        most = min(self.rows, self.table_rows)
        if self.distinct is not None and self.distinct > most:
            lookups = f"{self.rows} look-ups in {self.table_rows} rows"
            raise ValueError(f"{self.distinct} distinct rows of {lookups}: at most {most}")
        return self

    @property
    def least_bytes(self) -> int:
        """What any kernel must read: the bytes of every row that is certain, once."""
        return (min(1, self.rows) if self.distinct is None else self.distinct) * self.row_bytes

    @property
    def hit_rows(self) -> float:
        """The different rows that are looked up: those that are certain, else those that are expected."""
        return expected_distinct(self.rows, self.table_rows) if self.distinct is None else float(self.distinct)

    def moved_bytes(self, sector_bytes: int) -> int:
        """What memory is expected to hand out: whole sectors, each once, as a repeated look-up hits the cache.

        A row of at least a sector takes its own. Narrow rows share a sector with their neighbours: it is moved if any
        of them is hit, and hits are taken to lie anywhere in the table.
        """
        together = max(1, sector_bytes // self.row_bytes)
        sectors = -(-self.table_rows // together) * -(-self.row_bytes // sector_bytes)
        touched = sectors * (1 - (1 - self.hit_rows / self.table_rows) ** together)
        whole_table = -(-self.table_rows * self.row_bytes // sector_bytes)
        return max(self.least_bytes, min(math.ceil(touched - 1e-6), whole_table) * sector_bytes)


class ScoredPairs(Noun):
    """Inner products of rows of two inputs that are used and not kept, as the scores of attention: `count` of them over
    all batches and heads, of rows of `width` elements of `element_bytes` each."""

    count: Count
    width: Annotated[int, Field(gt=0)]
    element_bytes: Annotated[float, Field(gt=0)]

    def traffic_bytes(self, on_chip_bytes: int, element_bytes: float | None = None) -> float:
        """Bytes that must cross between memory and a chip that holds `on_chip_bytes`, whatever the order of the work.

        With M elements on the chip, P pairs of width d move at least P d^2 / (M + d sqrt(M)) - M elements; with
        P = N^2 that is N^2 d^2 / M for M well above d^2, and N^2 d / sqrt(M) below. The order is that of Saha and Ye,
        "The I/O Complexity of Attention, or How Optimal is FlashAttention?" (arXiv 2402.07443), who prove it for both
        regimes up to a constant, fast matrix multiplication included. The constant here is proven for kernels that
        form every score from its d products, by counting those that M transfers allow: of the M elements held and the
        M moved, x are of one input and y of the other, x + y <= 2M, so that at most (x/d)(y/d) pairs are complete, of
        d products each, and incomplete ones, each of which leaves a partial sum, are at most sqrt(x y (3M - x - y))
        products by the inequality of Loomis and Whitney. Both are largest at x = y = M: M^2/d + M sqrt(M).

        Elements are counted at `element_bytes` unless another width is given. Values, the output and the softmax are
        left out. FlashAttention moves four times as much at best: queries and outputs share M, keys and values pass.
        """
        size = element_bytes or self.element_bytes
        held = on_chip_bytes / size
        moved = self.count * self.width**2 / (held + self.width * math.sqrt(held)) - held
        return max(0.0, moved) * size


class Phase(Noun):
    """Work that may overlap in any way.

    `bytes_read` and `bytes_written` count each input and output once, in memory, tables of `gathers` apart. `tiers` are
    the bytes that must pass elsewhere: "cache", from the last-level cache to the cores; the name of a link of the
    device's profile ("host to device"), over that link.

    `flops` maps a dtype name to operations of matrix products (a fused multiply-add is two) or of whatever may be
    written as such, `vector` to those that no matrix unit takes; `special` counts exp, log, tanh, rsqrt and their like.
    `pairs` are scores of attention, which may take more traffic than the inputs have bytes. `launches` is the least
    number of kernels that must follow each other, 0 for a phase that stays within the kernel before it.
    """

    bytes_read: int
    bytes_written: int
    flops: dict[str, int] = {}
    special: int = 0
    vector: dict[str, Count] = {}
    gathers: tuple[Gather, ...] = ()
    pairs: ScoredPairs | None = None
    tiers: dict[str, Count] = {}
    launches: Count = 1


class Cost(Phase):
    """The least work that any implementation must do, in all. `quality` is "declared" by the author of the problem, or
    "counted" from its reference.

    `phases`, from `Cost.in_phases`, are parts that cannot overlap, since every result of one needs all of the one
    before, on the whole device. That must be so by the mathematics, not by the usual algorithm: a softmax takes two
    passes in most programs and one online. Each states what it would move if the chip kept nothing of the one before.
    """

    phases: tuple[Phase, ...] = ()
    quality: Literal["declared", "counted"] = "declared"
    derivation: str = ""

    @classmethod
    def in_phases(cls, *phases: Phase, derivation: str = "") -> Cost:
        """Return the cost of `phases`, one after the other. ValueError if one of them has phases itself, or was not
        declared: what was counted says nothing of what can overlap."""
        for phase in phases:
            if isinstance(phase, Cost) and (phase.phases or phase.quality != "declared"):
                raise ValueError("a phase must be a declared cost without phases of its own")
        return cls(
            bytes_read=sum(p.bytes_read for p in phases),
            bytes_written=sum(p.bytes_written for p in phases),
            flops=_sum([p.flops for p in phases]),
            special=sum(p.special for p in phases),
            vector=_sum([p.vector for p in phases]),
            gathers=tuple(g for p in phases for g in p.gathers),
            tiers=_sum([p.tiers for p in phases]),
            launches=sum(p.launches for p in phases),
            phases=tuple(Phase(**{n: getattr(p, n) for n in Phase.model_fields}) for p in phases),
            derivation=derivation,
        )


def expected_distinct(draws: int, values: int) -> float:
    """Return how many different ones of `values` are expected among `draws` independent uniform draws."""
    return values * -math.expm1(draws * math.log1p(-1 / values)) if values > 1 else float(min(draws, values))


def _sum(counts: list[dict[str, int]]) -> dict[str, int]:
    return {name: sum(c.get(name, 0) for c in counts) for name in dict.fromkeys(n for c in counts for n in c)}
