"""The bound that rejects: what is certain of the work, at datasheet rates that are certain too."""

from __future__ import annotations

from .. import units
from ..cost import Cost, Phase
from ..device import Device, Peaks
from .dtypes import STAND_INS, family
from .traffic import on_chip_bytes, pairs_text


def hard_bound(cost: Cost, device: Device) -> tuple[float | None, str]:
    """Return the hard bound of cold work `cost` in seconds, or None, and what it was made from or why there is none."""
    peaks = device.peaks
    if peaks is None:
        return None, "no hard bound: no datasheet rates for this device"
    if cost.quality == "counted":
        return None, "no hard bound: a counted cost may hold work that can be left out"
    phases = cost.phases or (cost,)
    end = len(phases) - 1
    found = [_phase(p, device, peaks, first=i == 0, last=i == end) for i, p in enumerate(phases)]
    hard_s = sum(s for s, _ in found)
    text = found[0][1]
    if cost.phases:
        text = " + ".join(f"phase {i} {units.seconds(s)} ({text})" for i, (s, text) in enumerate(found, 1))
    return hard_s or None, f"hard bound {units.seconds(hard_s)} = {text}, from the {peaks.name} datasheet"


def _phase(phase: Phase, device: Device, peaks: Peaks, first: bool, last: bool) -> tuple[float, str]:
    memory_s, memory_text = _memory(phase, device, peaks, first, last)
    compute_s, compute_text = _compute(phase, device, peaks)
    return (compute_s, compute_text) if compute_s > memory_s else (memory_s, memory_text)


def _memory(phase: Phase, device: Device, peaks: Peaks, first: bool, last: bool) -> tuple[float, str]:
    """Inputs once, of tables the rows that are certain, and outputs beyond what may stay where it was made. What the
    chip holds when a later phase begins may be inputs of that phase, so that much of them need not be read in it."""
    chip, cache = on_chip_bytes(device), max(peaks.cache_bytes, device.cache_bytes)
    read = phase.bytes_read + sum(g.least_bytes for g in phase.gathers)
    held, kept = (0 if first else min(read, chip)), min(phase.bytes_written, cache if last else chip)
    text = f"{units.byte_count(read)} read"
    if phase.gathers:
        text += f" (look-ups {units.byte_count(read - phase.bytes_read)}: each certain row once)"
    if held:
        text += f" less {units.byte_count(held)} that the chip may hold before"
    text += f" + {units.byte_count(phase.bytes_written)} written less {units.byte_count(kept)} that the cache may keep"
    moved = float(read - held + phase.bytes_written - kept)
    if phase.pairs is not None:
        # The proof counts values, not bits. No format that could pass is narrower than a byte.
        needed = phase.pairs.traffic_bytes(chip, element_bytes=1)
        if needed > moved:
            moved, text = needed, pairs_text(phase, chip, needed, "more") + ", in elements of one byte"
    return moved / peaks.bytes_per_s, f"{text}, at {units.bandwidth(peaks.bytes_per_s)}"


def _compute(phase: Phase, device: Device, peaks: Peaks) -> tuple[float, str]:
    """The longest of the dtypes, each in the fastest format that could stand in for it, on all units at boost clock."""
    clocks = [c for c in (device.max_clock_hz, peaks.max_clock_hz) if c]
    boost = max(1.0, max(clocks) / peaks.clock_hz) if clocks and peaks.clock_hz else 1.0
    boost *= max(1.0, device.cores / peaks.units) if peaks.units else 1.0  # a part with more units than the datasheet's
    compute_s, text = 0.0, ""
    for dtype, flops in phase.flops.items():
        own = family(dtype)
        rates = [(peaks.flops[n] / k, n) for n, k in ((own, 1), *STAND_INS.get(own, ())) if n in peaks.flops]
        if rates and flops / (boost * max(rates)[0]) > compute_s:
            rate, name = max(rates)
            compute_s = flops / (boost * rate)
            at = f"{units.operations(boost * rate, 'flop/s')}, {name} products at {boost:.2f} of the datasheet's clock"
            text = f"{units.operations(flops)} {dtype} at {at}"
    return compute_s, text
