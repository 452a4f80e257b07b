"""Numbers as people read them: three significant digits with the unit that fits. Imports nothing of ours."""

from __future__ import annotations

import math

MISSING = "–"


def _scaled(value: float | None, steps: tuple[tuple[float, str], ...]) -> str:
    if value is None or not math.isfinite(value):
        return MISSING
    for scale, unit in steps:
        if abs(value) >= 0.9995 * scale:
            return f"{digits(value / scale)} {unit}"
    scale, unit = steps[-1]
    return f"{digits(value / scale)} {unit}"


def digits(value: float, significant: int = 3) -> str:
    """Return `value` with `significant` digits in plain notation: 0.0123, 1.23, 12.3, 123, 1234."""
    if value == 0:
        return "0"
    places = significant - 1 - int(f"{value:.{significant - 1}e}".split("e")[1])  # of the rounded value
    return f"{value:.{max(0, min(places, 9))}f}"


def seconds(value: float | None) -> str:
    return _scaled(value, ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")))


def ticks(value: float, unit_of: str = "s") -> str:
    """A round value on an axis, without digits that say nothing: "5 ms", "200 G"; `unit_of` is "s" or "" (a rate)."""
    if value == 0:
        return "0"
    steps = ((1.0, " s"), (1e-3, " ms"), (1e-6, " µs"), (1e-9, " ns"))
    if unit_of != "s":
        steps = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))
    scale, unit = next((step for step in steps if abs(value) >= 0.9995 * step[0]), steps[-1])
    return f"{value / scale:.4g}{unit}"


def byte_count(value: float | None) -> str:
    """Decimal units, as bandwidths are quoted."""
    return _scaled(value, ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")))


def binary_bytes(value: float | None) -> str:
    """Binary units, for sizes that are powers of two."""
    return _scaled(value, ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")))


def joules(value: float | None) -> str:
    return _scaled(value, ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ")))


def frequency(hertz: float | None) -> str:
    return _scaled(hertz, ((1e9, "GHz"), (1e6, "MHz"), (1.0, "Hz")))


def bandwidth(bytes_per_s: float | None) -> str:
    return _scaled(bytes_per_s, ((1e12, "TB/s"), (1e9, "GB/s"), (1e6, "MB/s"), (1.0, "B/s")))


def operations(value: float | None, suffix: str = "flop") -> str:
    """Counts ("flop") and rates ("flop/s") of operations."""
    steps = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
    return _scaled(value, tuple((scale, prefix + suffix) for scale, prefix in steps))


def percent(fraction: float | None) -> str:
    """A fraction as a percentage; never clamped, so that more than 100 % is seen."""
    if fraction is None or not math.isfinite(fraction):
        return MISSING
    value = 100 * fraction
    return f"{value:.0f} %" if value >= 9.95 else f"{digits(value, 2)} %"


def times(ratio: float | None) -> str:
    """A speed-up: 1.84×."""
    return MISSING if ratio is None or not math.isfinite(ratio) else f"{digits(ratio)}×"
