"""The pictures of a device profile: bandwidth over size, matrix rate by dtype and by size."""

from __future__ import annotations

from markupsafe import Markup

from .. import units
from ..device import Curve, Peaks, Profile
from .lines import Series, lines, power_of_two_bytes
from .svg import Scale, axis_x, figure, line, tag, text

WIDTH = 560
_RIGHT, _TOP = 430.0, 16.0


def _rate(value: float) -> str:
    return units.ticks(value, "")


def bandwidth(profile: Profile, cache_bytes: int) -> Markup | str:
    """Copy, read and write rates over the bytes moved; on a GPU also in the cache, dashed."""
    kinds: tuple[tuple[str, Curve, Curve], ...] = (
        ("copy", profile.copy, profile.cold_copy),
        ("read", profile.read, profile.cold_read),
        ("write", profile.write, profile.cold_write),
    )
    series = []
    for colour, (name, warm, cold) in enumerate(kinds):
        series.append(Series(f"{name}, cold" if cold else name, f"s{colour}", cold or warm))
        if cold:
            series.append(Series(f"{name}, in cache", f"s{colour}", _inside(warm, cache_bytes), dashed=True))
    if profile.fresh_write:
        series.append(Series("write, fresh memory", "s3", profile.fresh_write))
    marks = [(float(cache_bytes), "last-level cache")] if cache_bytes else []
    return lines(
        series, "Bandwidth over bytes moved", power_of_two_bytes, _rate, "B/s", "bytes that one call moves",
        guides=marks, log_y=False,
    )  # fmt: skip


def _inside(curve: Curve, cache_bytes: int) -> Curve:
    return tuple(point for point in curve if point[0] <= cache_bytes)


def matrix_sizes(profile: Profile) -> Markup | str:
    """Matrix rate over the size of the product, for every dtype with several sizes."""
    series: list[Series] = []
    for name, shapes in profile.matrix_sizes.items():
        points = sorted((float(m * n * k) ** (1 / 3), rate) for m, n, k, rate in shapes)
        if len(points) > 1:
            series.append(Series(name, f"s{len(series) % 7}", tuple(points)))
    return lines(
        series, "Matrix rate over size", lambda v: f"{v:.0f}", _rate, "flop/s", "cube root of M · N · K", log_y=True
    )  # fmt: skip


def matrix(profile: Profile, peaks: Peaks | None) -> Markup | str:
    """The best matrix rate of each dtype as a bar, sustained rates in it, and a mark at the datasheet's."""
    rows = sorted(profile.matrix.items(), key=lambda item: -item[1])
    if not rows:
        return ""
    step, label = 30, 92.0
    bottom = _TOP + step * len(rows)
    marked = [peaks.flops[name] for name, _ in rows if peaks and name in peaks.flops]
    scale = Scale(0.0, 1.04 * max([rate for _, rate in rows] + marked), label, _RIGHT + 10)
    marks = axis_x(scale, _TOP, bottom, lambda v: units.ticks(v, ""))
    for i, (name, rate) in enumerate(rows):
        y = _TOP + step * i + 6
        hot, peak = profile.matrix_sustained.get(name), peaks.flops.get(name) if peaks else None
        marks += _bar(scale, y, rate, hot)
        marks.append(text(label - 7, y + 13, name, "name", "end"))
        share = f", {units.percent(rate / peak)}" if peak else ""
        if peak:
            marks.append(line(scale(peak), y - 2, scale(peak), y + 20, "mark"))
        marks.append(text(_RIGHT + 16, y + 13, f"{units.operations(rate, '')}{share}", "value"))
    words = "flop/s" + (", dark: back to back" if profile.matrix_sustained else "") + (
        "; line: the datasheet, and what part of it is reached" if marked else ""
    )  # fmt: skip
    marks.append(text(label, bottom + 31, words, "tick"))
    return figure(WIDTH, int(bottom) + 36, "Matrix rate by dtype", marks)


def _bar(scale: Scale, y: float, rate: float, hot: float | None) -> list[Markup]:
    def bar(value: float, cls: str) -> Markup:
        return tag("rect", x=scale.start, y=y, width=max(1.0, scale(value) - scale.start), height=18.0, class_=cls)

    return [bar(rate, "bar s0 soft"), bar(hot, "bar s0")] if hot else [bar(rate, "bar s0")]
