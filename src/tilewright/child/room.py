"""How much shared memory a child needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..problem import Inputs
from .arena import span_bytes
from .tensors import flat

STAMPS = 4096  # the longest timed block, in calls
_SPARE_BYTES = 32 << 20
_KEPT_BYTES = 512 << 20
_INDEX_BYTES, _FREE_BYTES = 16, 64 << 20  # two indices per element, as of x.nonzero()


@dataclass(frozen=True)
class Room:
    """The output region: `parts` results of up to `part_bytes` each, though few have more than `usual_bytes`."""

    parts: int
    part_bytes: int
    usual_bytes: int


def room_for(outputs: Sequence[torch.Tensor], inputs: Inputs | None = None) -> Room:
    """Room for results like `outputs`, and for one more, each as large as the largest. With `inputs`, which are on a
    CPU, where memory that nobody touches is free, also for results that are longer on other values (x[x > 0])."""
    usual = largest = max((t.numel() * t.element_size() for t in outputs), default=0)
    if inputs is not None:
        longest = max((t.numel() for t in flat(inputs).values()), default=0)
        largest = max(largest, min(_INDEX_BYTES * longest, _FREE_BYTES))
    return Room(len(outputs) + 1, _pages(largest) + 4096, min(_pages(2 * usual), _pages(largest)) + 4096)


def _pages(bytes_: int) -> int:
    return -(-bytes_ // 4096) * 4096


def arena_bytes(calls: Sequence[Inputs], outputs: Sequence[torch.Tensor], room: Room | None = None) -> int:
    """Bytes of an arena that holds all `calls` at their own addresses, outputs, gradients and stamps."""
    tensors = [t for call in calls for t in flat(call).values()]
    placed = sum(span_bytes(tuple(t.shape), tuple(t.stride()), t.element_size()) + 4 * 4096 for t in tensors)
    largest = max((sum(t.numel() * t.element_size() for t in flat(c).values()) for c in calls), default=0)
    room = room or room_for(outputs)
    each = len(calls) * room.parts * (room.usual_bytes + 2 * 4096)  # of the calls of a block, where all are kept
    fixed = 3 * room.parts * room.part_bytes + 8 * STAMPS + _SPARE_BYTES
    return placed + largest + fixed + (each if each <= _KEPT_BYTES else 0)
