"""The pictures of a device profile: bandwidth over size, matrix rate by dtype and by size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from .. import units
from ..device import Curve, Peaks, Profile
from .svg import Scale, axis_x, axis_y, dot, figure, line, path, spread, tag, text

WIDTH = 560
_LEFT, _RIGHT, _TOP = 62.0, 430.0, 16.0


@dataclass(frozen=True)
class Series:
    """One line of a picture: its name, colour (0 to 6), and points (x, y)."""

    name: str
    colour: int
    points: tuple[tuple[float, float], ...]
    dashed: bool = False


def bandwidth(profile: Profile, cache_bytes: int) -> Markup | str:
    """Copy, read and write rates over the bytes moved; on a GPU also in the cache, dashed."""
    kinds: tuple[tuple[str, Curve, Curve], ...] = (
        ("copy", profile.copy, profile.cold_copy),
        ("read", profile.read, profile.cold_read),
        ("write", profile.write, profile.cold_write),
    )
    series = []
    for colour, (name, warm, cold) in enumerate(kinds):
        series.append(Series(f"{name}, cold" if cold else name, colour, cold or warm))
        if cold:
            series.append(Series(f"{name}, in cache", colour, _inside(warm, cache_bytes), dashed=True))
    if profile.fresh_write:
        series.append(Series("write, fresh memory", 3, profile.fresh_write))
    marks = [(float(cache_bytes), "last-level cache")] if cache_bytes else []
    return lines(
        series, "Bandwidth over bytes moved", _power_of_two_bytes, "B/s", "bytes that one call moves",
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
            series.append(Series(name, len(series) % 7, tuple(points)))
    return lines(
        series, "Matrix rate over size", lambda v: f"{v:.0f}", "flop/s", "cube root of M · N · K", log_y=True
    )  # fmt: skip


def _power_of_two_bytes(value: float) -> str:
    return units.binary_bytes(value).replace(".00", "").replace(".0", "")


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
        share = f", {units.percent(rate / peak)} of datasheet" if peak else ""
        if peak:
            marks.append(line(scale(peak), y - 2, scale(peak), y + 20, "mark"))
        marks.append(text(_RIGHT + 16, y + 13, f"{units.operations(rate, '')}{share}", "value"))
    words = "flop/s" + (", dark: back to back" if profile.matrix_sustained else "") + (
        "; line: datasheet" if marked else ""
    )  # fmt: skip
    marks.append(text(label, bottom + 31, words, "tick"))
    return figure(WIDTH, int(bottom) + 36, "Matrix rate by dtype", marks)


def _bar(scale: Scale, y: float, rate: float, hot: float | None) -> list[Markup]:
    def bar(value: float, cls: str) -> Markup:
        return tag("rect", x=scale.start, y=y, width=max(1.0, scale(value) - scale.start), height=18.0, class_=cls)

    return [bar(rate, "bar s0 soft"), bar(hot, "bar s0")] if hot else [bar(rate, "bar s0")]


def lines(
    series: Sequence[Series],
    label: str,
    show_x: Callable[[float], str],
    unit: str,
    below: str,
    *,
    guides: Sequence[tuple[float, str]] = (),
    log_y: bool,
) -> Markup | str:
    """Lines with points over a logarithmic axis, each named at its end; `guides` are upright lines with words."""
    series = [s for s in series if s.points]
    if not series:
        return ""
    xs, ys = ([p[i] for s in series for p in s.points] for i in (0, 1))
    height, bottom = 300, 252.0
    x = Scale(min(xs) / 1.3, max(xs) * 1.3, _LEFT, _RIGHT, log=True)
    y = Scale(min(ys) / 1.6 if log_y else 0.0, max(ys) * (1.6 if log_y else 1.06), bottom, _TOP, log=log_y)
    marks = axis_y(y, _LEFT, _RIGHT, lambda v: units.ticks(v, ""), 5) + _powers(x, bottom, show_x)
    marks.append(text((_LEFT + _RIGHT) / 2, bottom + 34, below, "tick", "middle"))
    marks.append(text(_LEFT - 7, _TOP - 7, unit, "tick", "end"))
    for at, words in guides:
        if x.low < at < x.high:
            marks.append(line(x(at), _TOP, x(at), bottom, "bound"))
            marks.append(text(x(at) + 4, _TOP + 9, words, "bound-label"))
    places = spread([y(s.points[-1][1]) + 4 for s in series], 14, _TOP + 4, bottom)
    for one, place in zip(series, places):
        marks += _line(one, x, y, place, show_x, unit)
    return figure(WIDTH, height, label, marks)


def _line(one: Series, x: Scale, y: Scale, place: float, show_x: Callable[[float], str], unit: str) -> list[Markup]:
    colour = f"s{one.colour}"
    at = [(x(a), y(b)) for a, b in one.points]
    marks = [path(at, f"series {colour}{' dashed' if one.dashed else ''}")]
    for (px, py), (a, b) in zip(at, one.points):
        marks.append(dot(px, py, 2.6, f"spot {colour}", f"{one.name}: {units.operations(b, unit)} at {show_x(a)}"))
    end_x, end_y = at[-1]
    marks.append(line(end_x + 4, end_y, _RIGHT + 10, place - 4, "leader"))
    marks.append(text(_RIGHT + 14, place, one.name, colour))
    return marks


def _powers(x: Scale, bottom: float, show: Callable[[float], str]) -> list[Markup]:
    """An axis with a label at powers of two, at most eight."""
    first, last = math.ceil(math.log2(x.low)), math.floor(math.log2(x.high))
    every = max(1, math.ceil((last - first + 1) / 7))
    marks = []
    for power in range(first, last + 1, every):
        at = x(2.0**power)
        marks += [line(at, _TOP, at, bottom, "grid"), text(at, bottom + 16, show(2.0**power), "tick", "middle")]
    return marks
