"""Costs of sparse, quantised and attention work, for the `cost(workload)` of a problem.

A block mask is given as itself, or by its density or its number of kept blocks: then the least that so many blocks can
touch counts, as if they lay in a full rectangle.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from .cost import Cost, ScoredPairs


@dataclass(frozen=True)
class KeptBlocks:
    """The kept blocks of a grid of `rows` x `columns` blocks, and how many rows and columns of it hold any."""

    rows: int
    columns: int
    kept: int
    rows_touched: int
    columns_touched: int

    @classmethod
    def of_mask(cls, mask: Any) -> KeptBlocks:
        """From a two-dimensional mask of bools: nested lists, or whatever has `tolist`."""
        grid = mask.tolist() if hasattr(mask, "tolist") else list(mask)
        if not grid or not all(isinstance(row, list | tuple) and 0 < len(row) == len(grid[0]) for row in grid):
            raise ValueError("a block mask has two dimensions, and rows of one length, which is not 0")
        rows_touched, columns_touched = sum(map(any, grid)), sum(map(any, zip(*grid, strict=True)))
        kept = sum(bool(block) for row in grid for block in row)
        return cls(len(grid), len(grid[0]), kept, rows_touched, columns_touched)

    @classmethod
    def of_count(cls, rows: int, columns: int, kept: int) -> KeptBlocks:
        """From the number of kept blocks."""
        if rows < 1 or columns < 1:
            raise ValueError(f"a grid of blocks has rows and columns, not {rows} x {columns}")
        if not 0 <= kept <= rows * columns:
            raise ValueError(f"{kept} blocks are kept of {rows} x {columns}: between 0 and {rows * columns} may be")
        return cls(rows, columns, kept, -(-kept // columns) if kept else 0, -(-kept // rows) if kept else 0)

    @classmethod
    def of_density(cls, rows: int, columns: int, density: float) -> KeptBlocks:
        """From the part of the blocks that is kept, 0 to 1, to the nearest block."""
        if not 0 <= density <= 1:
            raise ValueError(f"a density is between 0 and 1, not {density}")
        return cls.of_count(rows, columns, round(density * rows * columns))

    def __str__(self) -> str:
        return f"{self.kept} of {self.rows} x {self.columns} blocks"


def bits_of(dtype: str) -> int:
    """Bits of one element in memory, from the name: 16 for "bfloat16", 8 for "float8_e4m3fn", 3 for "int3"."""
    found = re.search(r"\d+", dtype)
    if found is None or dtype.startswith("complex"):
        raise ValueError(f"no width is known of the dtype {dtype!r}: give one with its bits in its name, as int4")
    return 32 if dtype == "tf32" else int(found.group())


def stored_bytes(elements: int, bits: float, group: int = 0, group_bits: float = 0) -> int:
    """Return the bytes of `elements` of `bits` each, with `group_bits` more (scales, zero points) for each `group`,
    the last of which may be smaller: 4 bits with a float16 scale per 128 take 4.125 bits an element. A block of
    128 x 128 is a group of 16384."""
    if (group <= 0) == (group_bits > 0):
        raise ValueError(f"groups have a size and bits: {group} elements and {group_bits} bits were given")
    groups = -(-elements // group) if group else 0
    return math.ceil((elements * bits + groups * group_bits) / 8)


def sparse_matmul_cost(
    blocks: KeptBlocks, block: tuple[int, int], columns: int, dtype: str, index_bytes: int = 0
) -> Cost:
    """Cost of (M, K) @ (K, `columns`), the first in kept blocks of `block` elements with `index_bytes` for each.

    Kept blocks are read and multiplied, the rows of the second operand that meet any are read, and the whole output is
    written, zeros too.
    """
    (high, wide), size = block, bits_of(dtype) / 8
    kept = blocks.kept * high * wide
    return Cost(
        bytes_read=math.ceil((kept + blocks.columns_touched * wide * columns) * size) + blocks.kept * index_bytes,
        bytes_written=math.ceil(blocks.rows * high * columns * size),
        flops={dtype: 2 * kept * columns},
        derivation=f"{blocks} of {high} x {wide}, 2 operations per kept element and column; rows that meet one in once",
    )


def attention_cost(
    batch: int,
    heads: int,
    queries: int,
    keys: int,
    width: int,
    dtype: str,
    *,
    kv_heads: int | None = None,
    value_width: int | None = None,
    causal: bool = False,
    blocks: KeptBlocks | None = None,
) -> Cost:
    """Cost of attention forward, (batch, heads, queries, width) against (batch, kv_heads, keys, width).

    `causal` keeps keys up to a query's own number, counted from 0 on both sides, as PyTorch does. `blocks` are those
    that each head keeps, a grid that tiles (queries, keys); the mask itself is not counted. Not both: leave blocks of
    the future out of the mask, and those on the diagonal count whole.
    """
    if causal and blocks is not None:
        raise ValueError("give a causal mask or kept blocks, not both")
    kv_heads, value_width, size = kv_heads or heads, value_width or width, bits_of(dtype) / 8
    seen_queries, seen_keys = queries, min(keys, queries) if causal else keys
    pairs = causal_pairs(queries, keys) if causal else queries * keys
    if blocks is not None:
        if queries % blocks.rows or keys % blocks.columns:
            raise ValueError(f"{blocks.rows} x {blocks.columns} blocks do not tile {queries} queries and {keys} keys")
        high, wide = queries // blocks.rows, keys // blocks.columns
        seen_queries, seen_keys, pairs = (
            blocks.rows_touched * high,
            blocks.columns_touched * wide,
            blocks.kept * high * wide,
        )
    scores = batch * heads * pairs
    read = batch * (heads * seen_queries * width + kv_heads * seen_keys * (width + value_width))
    kept = f"{blocks}" if blocks is not None else "causal" if causal else "all"
    return Cost(
        bytes_read=math.ceil(read * size),
        bytes_written=math.ceil(batch * heads * queries * value_width * size),
        flops={dtype: 2 * scores * (width + value_width)},
        special=scores,
        pairs=ScoredPairs(count=scores, width=width, element_bytes=size),
        derivation=f"what is met of query, key and value in once, out once; {scores} pairs ({kept}), for each two "
        "products and one exp",
    )


def causal_pairs(queries: int, keys: int) -> int:
    """Pairs of which the key's number is not above the query's, both from 0."""
    both = min(queries, keys)
    return both * (both + 1) // 2 + (queries - both) * keys
