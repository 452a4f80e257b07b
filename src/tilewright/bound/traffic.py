"""The bytes of one phase: those that are certain, and those that memory is expected to move."""

from __future__ import annotations

from dataclasses import dataclass

from .. import units
from ..cost import Phase
from ..device import Device

# More than any core holds beside the last-level cache: registers, shared memory, first-level and tensor memory take
# 768 KiB of a multiprocessor of Blackwell, less of others; the second-level cache of an x86 core takes up to 3 MiB.
_CORE_BYTES = {"cuda": 1 << 20, "cpu": 4 << 20}
SECTOR_BYTES = {"cuda": 32, "cpu": 64}
"""The least that memory hands out: a sector of an NVIDIA GPU's cache line, a cache line of a CPU."""


@dataclass(frozen=True)
class Traffic:
    """Bytes read and written, how much of the reads is beyond what the inputs have, and how that came about."""

    read: int
    written: int
    beyond: int
    text: str

    @property
    def moved(self) -> int:
        return self.read + self.written


def on_chip_bytes(device: Device) -> int:
    """All that `device` can hold off its memory, rounded up: the last-level cache and every core's own."""
    peaks = device.peaks
    cache, cores = device.cache_bytes, device.cores
    if peaks is not None:
        cache, cores = max(cache, peaks.cache_bytes), max(cores, peaks.units)
    return cache + cores * _CORE_BYTES[device.kind]


def expected_traffic(phase: Phase, device: Device) -> Traffic:
    """What memory moves at best: look-ups in whole sectors, and attention at its declared width."""
    sector = SECTOR_BYTES[device.kind]
    read = phase.bytes_read + sum(g.moved_bytes(sector) for g in phase.gathers)
    texts = []
    for g in phase.gathers:
        certain = "certain" if g.distinct is not None else "expected of uniform draws"
        lookups = f"{g.rows} look-ups of {g.row_bytes} B in {g.table_rows} rows, {g.hit_rows:.0f} distinct {certain}"
        texts.append(f"{units.byte_count(g.moved_bytes(sector))} of it in {sector} B sectors, {lookups}")
    beyond = 0
    if phase.pairs is not None:
        chip = on_chip_bytes(device)
        needed = phase.pairs.traffic_bytes(chip)
        beyond = max(0, round(needed) - read - phase.bytes_written)
        texts.append(pairs_text(phase, chip, needed, "more" if beyond else "less"))
    text = f"{units.byte_count(read)} read + {units.byte_count(phase.bytes_written)} written"
    return Traffic(read + beyond, phase.bytes_written, beyond, f"{text} ({'; '.join(texts)})" if texts else text)


def pairs_text(phase: Phase, chip_bytes: int, needed: float, than: str) -> str:
    assert phase.pairs is not None
    return (
        f"the {phase.pairs.count} scores of width {phase.pairs.width} need {units.byte_count(needed)} with "
        f"{units.byte_count(chip_bytes)} on the chip, {than} than the inputs and outputs have"
    )
