"""How much of a table the look-ups of PyTorch read: the rows that are hit, each once.

Where the values of an index can be seen, its rows are counted; else (fake and meta tensors) as many are taken as
uniform draws would hit.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, unset_fake_temporarily

from .cost import expected_distinct

BAGS = frozenset({"_embedding_bag", "_embedding_bag_forward_only"})
LOOKUPS = frozenset({*BAGS, "embedding", "gather", "index", "index_select", "take"})


def lookup_bytes(name: str, args: Any, made: list[torch.Tensor]) -> tuple[int, bool]:
    """Return the bytes that operator `name` of LOOKUPS reads of the table `args[0]`, and whether they are known or
    expected; `made` is what it returned."""
    table = args[0]
    if not table.numel() or not table.dim():
        return table.numel() * table.element_size(), True
    if name == "gather":
        hits, known = _gathered(table, args[1], args[2])
        return math.ceil(hits * table.element_size()), known
    indices, sizes = _indexed(name, args)
    if any(i.dtype in (torch.bool, torch.uint8) for i in indices):  # a mask takes every element once
        return min(table.numel(), sum(t.numel() for t in made)) * table.element_size(), True
    rows = math.prod(sizes)
    hits, known = _hits(indices, sizes)
    return math.ceil(hits * (table.numel() // rows) * table.element_size()), known


def bag_elements(args: Any) -> int:
    """Return how many elements of the table `args[0]` its bags add up: a row for each index."""
    table, index = args[0], args[1]
    return int(index.numel()) * int(table.shape[1])


def _indexed(name: str, args: Any) -> tuple[list[torch.Tensor], list[int]]:
    """The index of each axis that is looked up, and the size of that axis."""
    table = args[0]
    if name == "index":
        pairs = [(i, n) for i, n in zip(args[1], table.shape) if i is not None]
        return [i for i, _ in pairs], [n for _, n in pairs]
    if name == "index_select":
        return [args[2]], [table.shape[args[1]]]
    return [args[1]], [table.numel() if name == "take" else table.shape[0]]


def _hits(indices: list[torch.Tensor], sizes: list[int]) -> tuple[float, bool]:
    """The distinct rows that `indices` name together, broadcast against each other."""
    if not all(has_values(i) for i in indices):
        shape = torch.broadcast_shapes(*(i.shape for i in indices))
        return expected_distinct(math.prod(shape), math.prod(sizes)), False
    with unset_fake_temporarily():
        keys = torch.zeros((), dtype=torch.int64)
        for index, size in zip(indices, sizes, strict=True):
            keys = keys * size + index.detach().cpu().long() % size
        return float(torch.unique(keys).numel()), True


def _gathered(table: torch.Tensor, axis: int, index: torch.Tensor) -> tuple[float, bool]:
    """The distinct elements that `gather` takes along `axis`."""
    draws, size = index.shape[axis] if index.dim() else 1, table.shape[axis]
    lines = index.numel() // max(1, draws)
    if not has_values(index):
        return lines * expected_distinct(draws, size), False
    with unset_fake_temporarily():
        own = index.detach().cpu().movedim(axis, -1).reshape(lines, draws) if index.dim() else index.reshape(1, 1)
        return float(torch.unique(own + size * torch.arange(lines)[:, None]).numel()), True


def has_values(index: torch.Tensor) -> bool:
    """Whether the values of `index` can be seen: it is no fake tensor, and not on the meta device."""
    return not isinstance(index, FakeTensor) and index.device.type != "meta"
