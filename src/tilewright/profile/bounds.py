"""The bounds of the calls of a run and of its modules, by the device's measured ceilings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..bound import Bound, bound
from ..device import Device
from ..problem import Cost
from .call_cost import Counted
from .calls import Call
from .modules import Site

Memory = Literal["cold", "warm"]


@dataclass(frozen=True)
class Bounded:
    """A call, what it must do, and the bound of that; `bound` is None where nothing is known of the work."""

    call: Call
    counted: Counted
    bound: Bound | None
    measured_s: float

    @property
    def recoverable_s(self) -> float | None:
        return self.measured_s - self.bound_s if self.bound_s is not None else None

    @property
    def bound_s(self) -> float | None:
        return self.bound.achievable_s if self.bound is not None else None


def bounded_calls(calls: Sequence[Call], counted: Sequence[Counted], device: Device) -> tuple[list[Bounded], Memory]:
    """Return those of `calls` that did work on `device`, with their bounds, and where their data is taken to be.

    On a CPU that is every call, and its time its own; on a GPU those that launched something, and its time that of the
    device work. Data is taken to come from the cache where all that a run moves fits into it, else from memory.
    """
    worked = [(c, n) for c, n in zip(calls, counted, strict=True) if device.kind == "cpu" or c.kernels]
    moved = sum(n.cost.bytes_read + n.cost.bytes_written for _, n in worked if n.cost)
    memory: Memory = "cold" if moved > device.cache_bytes else "warm"
    bounds: dict[str, Bound] = {}
    found = []
    for call, one in worked:
        if one.cost and one.cost.digest not in bounds:
            bounds[one.cost.digest] = bound_of(one.cost, device, memory)
        measured_ns = call.host_ns if device.kind == "cpu" else call.device_ns
        found.append(Bounded(call, one, bounds[one.cost.digest] if one.cost else None, measured_ns / 1e9))
    return found, memory


def bound_of(cost: Cost, device: Device, memory: Memory) -> Bound:
    """Return the bound of one call of work `cost`."""
    return bound(cost, device, cold=memory == "cold")


def fused_bound(site: Site, calls: list[Bounded], times: int, device: Device, memory: Memory) -> Bound | None:
    """Return the bound of one call of the module at `site`, as one kernel would do it: inputs and weights are read once
    and outputs written once, yet no more is read than its operators `calls`, in all `times` calls, read themselves (a
    lookup reads few rows of its table). None where an operator has no known cost."""
    costs = [c.counted.cost for c in calls if c.counted.cost]
    if not costs or len(costs) < len(calls):
        return None
    flops: dict[str, int] = {}
    for cost in costs:
        for dtype, count in cost.flops.items():
            flops[dtype] = flops.get(dtype, 0) + count
    whole = Cost(
        bytes_read=min(site.read_bytes, sum(c.bytes_read for c in costs) // times),
        bytes_written=min(site.written_bytes, sum(c.bytes_written for c in costs) // times),
        flops={dtype: count // times for dtype, count in flops.items()},
        special=sum(c.special for c in costs) // times,
        quality="counted",
    )
    return bound_of(whole, device, memory)
