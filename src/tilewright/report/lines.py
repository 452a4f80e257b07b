"""Lines over a logarithmic axis, each named at its end: one picture for rates over sizes and times over sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from .. import units
from .svg import Scale, axis_y, dot, figure, line, path, spread, text

WIDTH = 560
_LEFT, _RIGHT, _TOP = 62.0, 430.0, 16.0


@dataclass(frozen=True)
class Series:
    """One line of a picture: its name, class of colour ("s0" to "s6", "limit"), and points (x, y)."""

    name: str
    colour: str
    points: tuple[tuple[float, float], ...]
    dashed: bool = False


def power_of_two_bytes(value: float) -> str:
    return units.binary_bytes(value).replace(".00", "").replace(".0", "")


def lines(
    series: Sequence[Series],
    label: str,
    show_x: Callable[[float], str],
    show_y: Callable[[float], str],
    corner: str,
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
    marks = axis_y(y, _LEFT, _RIGHT, show_y, 5) + _powers(x, bottom, show_x)
    marks.append(text((_LEFT + _RIGHT) / 2, bottom + 34, below, "tick", "middle"))
    marks.append(text(_LEFT - 7, _TOP - 7, corner, "tick", "end"))
    for at, words in guides:
        if x.low < at < x.high:
            marks.append(line(x(at), _TOP, x(at), bottom, "bound"))
            marks.append(text(x(at) + 4, _TOP + 9, words, "bound-label"))
    places = spread([y(s.points[-1][1]) + 4 for s in series], 14, _TOP + 4, bottom)
    for one, place in zip(series, places):
        marks += _line(one, x, y, place, show_x, show_y)
    return figure(WIDTH, height, label, marks)


def _line(
    one: Series, x: Scale, y: Scale, place: float, show_x: Callable[[float], str], show_y: Callable[[float], str]
) -> list[Markup]:
    colour = one.colour
    at = [(x(a), y(b)) for a, b in one.points]
    marks = [path(at, f"series {colour}{' dashed' if one.dashed else ''}")]
    for (px, py), (a, b) in zip(at, one.points):
        marks.append(dot(px, py, 2.6, f"spot {colour}", f"{one.name}: {show_y(b)} at {show_x(a)}"))
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
