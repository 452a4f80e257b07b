"""Where inputs and outputs of calls lie in the shared memory of a child."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..problem import Inputs
from .arena import Arena, ArenaFull, Region, span_bytes
from .room import Room
from .tensors import flat, layout, same_bytes
from .values import described


@dataclass
class Placed:
    """Inputs that lie in the arena: their wire description and the parent's own copy of every tensor."""

    description: dict[str, Any]
    regions: dict[str, Region]
    views: dict[str, torch.Tensor]
    own: dict[str, torch.Tensor]
    inputs: Inputs


class Places:
    """The slots of an arena that the inputs of one session lie in, and its region for outputs."""

    def __init__(self, arena: Arena, room: Room, gpu: int | None):
        self._arena, self._room, self._gpu = arena, room, gpu
        self._slots: dict[int, Placed] = {}
        self._modules: list[tuple[dict[str, torch.Tensor], tuple[Any, ...]]] = []
        self._copies: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._out = arena.take(room.parts * room.part_bytes)
        self._base = arena.mark()

    def clear(self) -> None:
        self._slots.clear()
        self._copies.clear()

    def all_at_once(self, inputs: Sequence[Inputs]) -> list[Placed]:
        """Place each of `inputs` at the slot of its own number."""
        placed = [self.place(one, slot) for slot, one in enumerate(inputs)]
        if any(self._slots.get(slot) is not p for slot, p in enumerate(placed)):  # room was made on the way
            placed = [self.place(one, slot) for slot, one in enumerate(inputs)]
        return placed

    def place(self, inputs: Inputs, slot: int) -> Placed:
        """Write `inputs` to the addresses of `slot`; inputs that already lie there are not written again."""
        placed = self._slots.get(slot)
        if placed is not None and placed.inputs is inputs:
            return placed
        if placed is not None and layout(placed.inputs) == layout(inputs):
            self.rewrite(placed, inputs)
            return placed
        try:
            self._slots[slot] = self._place_new(inputs)
        except ArenaFull:
            self.clear()
            self._arena.release(self._base)
            self._slots[slot] = self._place_new(inputs)
        return self._slots[slot]

    def _place_new(self, inputs: Inputs) -> Placed:
        placed = Placed({}, {}, {}, {}, inputs)

        def lay(path: str, tensor: torch.Tensor) -> list[Any]:
            description, region, view = self.put(path, tensor)
            placed.regions[path], placed.views[path] = region, view
            placed.own[path] = self._own(tensor, view)
            return description

        placed.description = {
            "args": {k: described(f"args.{k}", v, lay) for k, v in inputs.args.items()},
            "state": {k: described(f"state.{k}", v, lay) for k, v in inputs.state.items()},
            "init": [described(f"init.{i}", v, lay) for i, v in enumerate(inputs.init)],
            "made_of": self._made_of(inputs),
        }
        return placed

    def put(self, path: str, tensor: torch.Tensor) -> tuple[list[Any], Region, torch.Tensor]:
        shape, stride = tuple(tensor.shape), tuple(tensor.stride())
        span = span_bytes(shape, stride, tensor.element_size())
        region = self._arena.take(span)
        view = self._arena.view(region, tensor.dtype, shape, stride)
        self._write(view, tensor)
        dtype = str(tensor.dtype).removeprefix("torch.")
        return [region.offset, span, dtype, list(shape), list(stride)], region, view

    def _write(self, view: torch.Tensor, tensor: torch.Tensor) -> None:
        """Candidates of one problem are given the same contents at the same addresses: most of it lies there already,
        and to find that out takes a CPU a fraction of the time of writing it."""
        if self._gpu is not None or not same_bytes(view, tensor):
            view.copy_(tensor)

    def _own(self, tensor: torch.Tensor, view: torch.Tensor) -> torch.Tensor:
        """A copy that the child cannot reach, where the arena is, to compare with; one for all slots on a GPU."""
        if self._gpu is None:
            return tensor
        if id(tensor) not in self._copies:
            self._copies[id(tensor)] = (tensor, view.clone(memory_format=torch.preserve_format))
        return self._copies[id(tensor)][1]

    def rewrite(self, placed: Placed, inputs: Inputs) -> None:
        for path, tensor in flat(inputs).items():
            self._write(placed.views[path], tensor)
            placed.own[path] = self._own(tensor, placed.views[path])
        placed.inputs = inputs
        placed.description["made_of"] = self._made_of(inputs)

    def _made_of(self, inputs: Inputs) -> int:
        """A number for the weights and constructor arguments: the child makes a module for each, and no other."""
        for number, (state, init) in enumerate(self._modules):
            same_state = state is inputs.state or not (state or inputs.state)
            if same_state and (init is inputs.init or not (init or inputs.init)):
                return number
        self._modules.append((inputs.state, inputs.init))
        return len(self._modules) - 1

    def regions(self) -> list[list[int]]:
        """Cut the output region into one part per output, each as large as the reference's largest."""
        part = self._room.part_bytes
        return [[self._out.offset + i * part, part] for i in range(self._room.parts)]

    def regions_of_each(self, calls: int) -> list[list[list[int]]]:
        """For each call a region per output; none where the arena has no room for them."""
        bytes_ = self._room.usual_bytes
        try:
            taken = [[self._arena.take(bytes_) for _ in range(self._room.parts)] for _ in range(calls)]
        except ArenaFull:
            return []
        return [[[r.offset, r.bytes] for r in regions] for regions in taken]

    def grad_regions(self, inputs: Inputs, grads: Sequence[str]) -> list[list[int]]:
        regions = []
        for name in grads:
            tensor = inputs.args[name] if name in inputs.args else inputs.state[name]
            region = self._arena.take(tensor.numel() * tensor.element_size())
            regions.append([region.offset, region.bytes])
        return regions
