"""Two bounds on the time of a workload: one that rejects, one that ranks.

`hard_s` is what no correct kernel can beat, and is only used to reject a measurement. It holds for cold rows, where
nothing of the inputs is in a cache: every input byte is read once and every output byte that the last-level cache
cannot keep is written, at datasheet bandwidth; and the operations run on all units at the highest clock, in the
fastest number format that could stand in for theirs. It needs a datasheet and a cost that an author declared: a counted
cost may hold work that a better algorithm leaves out. A CPU has no datasheet bandwidth here, so it rejects nothing.

`achievable_s` is the same work at this machine's measured ceilings, the longest of four: memory, in the workload's
read:write mix and at its size; matrix rate of the dtype; special functions; one call, which on a GPU is one launch
inside a CUDA graph. They are assumed to overlap fully. A kernel may be faster than that, and the fraction is then
shown above 100 %. On a GPU, cold rows take the rates that were measured on buffers rotated beyond the cache, where
outputs are written to memory too; matrix rates are those of a cool GPU; and float32 means float32: a workload that
allows TF32 says "tf32" in its cost.

Quality of `achievable_s`:
- narrow   the cost is declared, one limit stands out, and every rate in it was measured;
- ok       a second limit is more than half of the first (overlap is assumed, not shown), or the call floor is the
           limit, or page faults of freshly allocated outputs would cost more than the bound itself;
- loose    the cost was counted from the reference, or a rate is from a datasheet or of a wider dtype, or the machine
           was busy with something else when it was measured;
- vacuous  there is nothing to compute it from.
"""

from __future__ import annotations

from typing import Literal

from . import units
from .counting import count_cost
from .device import Device, Profile, rate_at
from .problem import Cost, Problem, Workload
from .schema import Noun

__all__ = ["Bound", "bound", "cost_of", "count_cost"]

Quality = Literal["narrow", "ok", "loose", "vacuous"]
Limiter = Literal["memory", "compute", "special", "call", "none"]

# Formats whose products can be assembled from a faster format, and the number of products it takes: tf32 counts as
# float32 work where the judge accepts it, three bfloat16 products give float32 accuracy, and 14 int8 products give
# float64 accuracy (Ozaki and others, scheme II).
_STAND_INS = {
    "float32": (("tf32", 1), ("bfloat16", 3), ("float16", 3)),
    "float64": (("int8", 14), ("float32", 9)),
    "bfloat16": (("float16", 1),),
    "float16": (("bfloat16", 1),),
}
_BUSY_LOAD = 0.5  # other runnable processes, on average, above which measured ceilings may be too low
_WIDER = {"bfloat16": "float32", "float16": "float32", "int8": "float32", "float8": "float32", "tf32": "float32"}


class Bound(Noun):
    """The two bounds in seconds. `limiter` says what limits `achievable_s`, `terms` holds each of its parts (s), and
    `fresh_s` what first touching freshly allocated outputs costs on this CPU, which is no part of the bound.
    `hard_derivation` says what `hard_s` was made from, `derivation` what both were.

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


def cost_of(problem: Problem, workload: Workload, small: bool = False) -> Cost:
    """Return the cost that the problem declares; where it declares none, the cost counted from its reference, which is
    run on real data if it is `small`."""
    return problem.cost(workload) if problem.cost is not None else count_cost(problem, workload, small)


def bound(cost: Cost, device: Device, cold: bool = True) -> Bound:
    """Return both bounds of work `cost` on `device`; `cold` says that no input is in a cache when the call starts."""
    hard_s, hard_text = _hard(cost, device) if cold else (None, "no hard bound for warm rows")
    if device.profile is not None:
        found = _measured(cost, device.profile, cold)
    elif device.peaks is not None:
        found = _datasheet(cost, device)
    else:
        found = Bound(derivation="this device was never measured: run `tilewright device --calibrate`")
    return found.with_(
        hard_s=hard_s,
        derivation=f"{found.derivation}; {hard_text}",
        hard_derivation=hard_text,
        bytes_moved=cost.bytes_read + cost.bytes_written,
        flops=sum(cost.flops.values()),
    )


def _measured(cost: Cost, profile: Profile, cold: bool) -> Bound:
    memory_s, memory_text = _memory_time(cost, profile, cold)
    terms: dict[Limiter, float] = {"memory": memory_s}
    texts = [f"memory {units.seconds(memory_s)} = {memory_text}"]
    substituted = False
    for dtype, flops in cost.flops.items():
        rate, of = _matrix_rate(dtype, profile)
        substituted |= rate is None or of != _family(dtype)
        if rate and flops:
            terms["compute"] = terms.get("compute", 0.0) + flops / rate
            texts.append(f"{units.operations(flops)} {dtype} at {units.operations(rate, 'flop/s')} ({of} products)")
    if cost.special:
        terms["special"] = cost.special / profile.special_per_s
        rate_text = units.operations(profile.special_per_s, "op/s")
        texts.append(f"{units.operations(cost.special, 'op')} special functions at {rate_text}")
    terms["call"] = profile.graph_launch_s or profile.call_s
    floor = "one launch in a graph" if profile.graph_launch_s else "one call"
    texts.append(f"{floor} {units.seconds(terms['call'])}")
    limiter: Limiter = max(terms, key=terms.__getitem__)
    fresh_s = cost.bytes_written / rate_at(profile.fresh_write, cost.bytes_written) if profile.fresh_write else None
    if fresh_s and fresh_s > terms[limiter]:
        texts.append(f"not in the bound: page faults of fresh outputs, {units.seconds(fresh_s)}")
    busy = profile.load > _BUSY_LOAD
    if busy:
        others = "used the GPU" if profile.graph_launch_s else f"kept {profile.load:.1f} cores busy"
        texts.append(f"measured while others {others}: calibrate again")
    loose = cost.quality == "counted" or substituted or busy
    return Bound(
        achievable_s=terms[limiter],
        limiter=limiter,
        quality="loose" if loose else _overlap_quality(terms, limiter, fresh_s),
        derivation=f"{cost.quality} cost; " + "; ".join(texts),
        terms=terms,
        fresh_s=fresh_s,
        ceilings=_ceilings(cost, profile, memory_s),
    )


def _ceilings(cost: Cost, profile: Profile, memory_s: float) -> dict[str, float]:
    moved = cost.bytes_read + cost.bytes_written
    slowest = moved / memory_s if memory_s else profile.copy[-1][1]
    fastest = max(rate for _, rate in profile.copy)
    return {"memory": slowest, **({"cache": fastest} if fastest > slowest else {}), **profile.matrix}


def _overlap_quality(terms: dict[Limiter, float], limiter: Limiter, fresh_s: float | None) -> Quality:
    second = max((s for name, s in terms.items() if name != limiter), default=0.0)
    shared = second > 0.5 * terms[limiter] or limiter == "call" or (fresh_s or 0.0) > terms[limiter]
    return "ok" if shared else "narrow"


def _memory_time(cost: Cost, profile: Profile, cold: bool) -> tuple[float, str]:
    """Time to move the bytes: as much as possible as a copy, the rest as reads or as writes alone."""
    moved, both = cost.bytes_read + cost.bytes_written, min(cost.bytes_read, cost.bytes_written)
    copy, read, write, size = profile.copy, profile.read, profile.write, moved
    if cold and profile.cold_copy and profile.cold_read and profile.cold_write:
        copy, read, write = profile.cold_copy, profile.cold_read, profile.cold_write
    elif cold:  # curves of one buffer show memory only where it is larger than every cache
        size = max(moved, copy[-1][0])
    parts = (
        (2 * both, rate_at(copy, size), "copy"),
        (cost.bytes_read - both, rate_at(read, size), "read"),
        (cost.bytes_written - both, rate_at(write, size), "write"),
    )
    total_s = sum(count / rate for count, rate, _ in parts)
    rates = ", ".join(f"{name} {units.bandwidth(rate)}" for count, rate, name in parts if count)
    work = f"{units.byte_count(cost.bytes_read)} read + {units.byte_count(cost.bytes_written)} written"
    return total_s, f"{work} at {rates or 'no traffic'}"


def _matrix_rate(dtype: str, profile: Profile) -> tuple[float | None, str]:
    """The measured matrix rate for `dtype`, or that of the dtype it can be widened to where that is faster."""
    own = _family(dtype)
    names = [n for n in (own, _WIDER.get(own)) if n and n in profile.matrix]
    if not names:
        return None, own
    best = max(names, key=profile.matrix.__getitem__)
    return profile.matrix[best], best


def _datasheet(cost: Cost, device: Device) -> Bound:
    """The bound of a device that was not measured: its datasheet rates, which no kernel reaches."""
    assert device.peaks is not None
    moved = cost.bytes_read + cost.bytes_written
    terms: dict[Limiter, float] = {"memory": moved / device.peaks.bytes_per_s}
    texts = [f"{units.byte_count(moved)} at {units.bandwidth(device.peaks.bytes_per_s)}"]
    for dtype, flops in cost.flops.items():
        if rate := device.peaks.flops.get(_family(dtype)):
            terms["compute"] = terms.get("compute", 0.0) + flops / rate
            texts.append(f"{units.operations(flops)} {dtype} at {units.operations(rate, 'flop/s')}")
    limiter: Limiter = max(terms, key=terms.__getitem__)
    if not terms[limiter]:
        return Bound(derivation="the cost holds no work that a datasheet has a rate for")
    return Bound(
        achievable_s=terms[limiter],
        limiter=limiter,
        quality="loose",
        derivation=f"{cost.quality} cost at datasheet rates ({device.peaks.name}): " + "; ".join(texts),
        terms=terms,
        ceilings={"memory": device.peaks.bytes_per_s, **device.peaks.flops},
    )


def _hard(cost: Cost, device: Device) -> tuple[float | None, str]:
    peaks = device.peaks
    if peaks is None:
        return None, "no hard bound: no datasheet rates for this device"
    if cost.quality == "counted":
        return None, "no hard bound: a counted cost may hold work that can be left out"
    cache_bytes = max(peaks.cache_bytes, device.cache_bytes)
    memory_s = (cost.bytes_read + max(0, cost.bytes_written - cache_bytes)) / peaks.bytes_per_s
    clocks = [c for c in (device.max_clock_hz, peaks.max_clock_hz) if c]
    boost = max(1.0, max(clocks) / peaks.clock_hz) if clocks and peaks.clock_hz else 1.0
    boost *= max(1.0, device.cores / peaks.units) if peaks.units else 1.0  # a part with more units than the datasheet's
    compute_s, compute_text = 0.0, ""
    for dtype, flops in cost.flops.items():
        own = _family(dtype)
        rates = [(peaks.flops[n] / k, n) for n, k in ((own, 1), *_STAND_INS.get(own, ())) if n in peaks.flops]
        if rates and flops / (boost * max(rates)[0]) > compute_s:
            rate, name = max(rates)
            compute_s = flops / (boost * rate)
            at = f"{units.operations(boost * rate, 'flop/s')}, {name} products at {boost:.2f} of the datasheet's clock"
            compute_text = f"{units.operations(flops)} {dtype} at {at}"
    hard_s = max(memory_s, compute_s)
    kept = min(cost.bytes_written, cache_bytes)
    text = (
        f"{units.byte_count(cost.bytes_read)} read + {units.byte_count(cost.bytes_written)} written less "
        f"{units.byte_count(kept)} that the cache may keep, at {units.bandwidth(peaks.bytes_per_s)}"
    )
    text = compute_text if compute_s > memory_s else text
    return hard_s or None, f"hard bound {units.seconds(hard_s)} = {text}, from the {peaks.name} datasheet"


def _family(dtype: str) -> str:
    return "float8" if dtype.startswith("float8") else dtype
