"""The roofline: achieved rate over arithmetic intensity, both by logarithm, under a device's ceilings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from .. import units
from .charts import kind_of, short, shown_rows, title_of
from .svg import Scale, axis_x, axis_y, dot, figure, line, path, spread, tag, text
from .view import RoofView, RowView, WorkloadView

WIDTH = 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 440.0, 14.0, 288.0
_LABEL_PARTS = (-48.0, -24.0, 0.0, 24.0, 48.0)  # pixels


@dataclass(frozen=True)
class _Point:
    """One implementation on one workload: flop per byte, and flop/s."""

    intensity: float
    rate: float
    row: RowView
    workload: WorkloadView


def roofline(workloads: Sequence[WorkloadView], roof: RoofView | None) -> Markup | str:
    """Every timed implementation on every workload; coloured by operator where there are several workloads."""
    points = [
        _Point(w.flops / w.bytes_moved, w.flops / r.median_s, r, w)
        for w in workloads
        if w.flops and w.bytes_moved
        for r in shown_rows(w)
        if r.median_s
    ]
    if roof is None or not points:
        return ""
    slowest, fastest = min(p.rate for p in points), max(p.rate for p in points)
    peak = max(roof.compute.values(), default=0.0) or fastest
    knees = [peak / rate for rate in (roof.memory_bytes_per_s, roof.cache_bytes_per_s) if rate]
    spots = [*knees, *(p.intensity for p in points)]
    x = Scale(min(spots) / 4, max(spots) * 4, _LEFT, _RIGHT, log=True)
    floor = min(slowest, x.low * roof.memory_bytes_per_s * 2) / 2
    y = Scale(floor, max(peak, fastest) * 2.2, _BOTTOM, _TOP, log=True)
    marks = axis_x(x, _TOP, _BOTTOM, lambda v: f"{v:g}") + axis_y(y, _LEFT, _RIGHT, lambda v: units.ticks(v, ""), 5)
    marks += [text((_LEFT + _RIGHT) / 2, _BOTTOM + 33, "flop per byte that must move", "tick", "middle")]
    marks += [text(2, 9, "flop/s", "tick"), *_flats(roof, x, y), *_slopes(roof, x, y, peak, points)]
    several = len({p.workload.name for p in points}) > 1
    marks += _by_operator(points, x, y) if several else _by_name(points, x, y)
    label = f"Roofline: {len(points)} measured points under the ceilings of this device"
    return figure(WIDTH, int(_BOTTOM) + 38, label, marks)


def _slopes(roof: RoofView, x: Scale, y: Scale, peak: float, points: Sequence[_Point]) -> list[Markup]:
    """Memory, and where it is known the cache, as far as the highest ceiling; named along the line, on its own side,
    where points leave room."""
    marks = []
    slopes = [("memory", roof.memory_bytes_per_s, 13.0 if roof.cache_bytes_per_s else -5.0)]
    if roof.cache_bytes_per_s:
        slopes.append(("cache", roof.cache_bytes_per_s, -5.0))
    # Where points are named one by one, a name stands right of its point, so its middle is as much in the way.
    named = (0.0, 45.0) if len({p.workload.name for p in points}) == 1 else (0.0,)
    taken = [(x(p.intensity) + aside, y(p.rate)) for p in points for aside in named]
    knees = [(x(rate / roof.memory_bytes_per_s), y(rate)) for rate in roof.compute.values()]
    taken += [(at + aside, height) for at, height in knees for aside in (0.0, 20.0, 40.0)]
    for name, rate, side in slopes:
        start = max(x.low, y.low / rate)
        if rate * start >= peak:  # the whole line would lie above the highest ceiling
            continue
        (x1, y1), (x2, y2) = (x(start), y(start * rate)), (x(peak / rate), y(peak))
        marks.append(path([(x1, y1), (x2, y2)], f"roof {name}"))
        at_x, at_y = _roomiest((x1, y1), (x2, y2), side, taken)
        turn = f"translate({at_x:.1f} {at_y:.1f}) rotate({math.degrees(math.atan2(y2 - y1, x2 - x1)):.1f})"
        words = f"{name} {units.bandwidth(rate)}"
        marks.append(tag("text", words, x=0.0, y=side, class_="roof-label", text_anchor="middle", transform=turn))
    return marks


def _roomiest(
    low: tuple[float, float], high: tuple[float, float], side: float, taken: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """The place on the line from `low` to `high` beside which, on `side`, a label is farthest from all `taken`."""
    length = math.dist(low, high)
    along_x, along_y = (high[0] - low[0]) / length, (high[1] - low[1]) / length

    def place(share: float) -> tuple[float, float]:
        return low[0] + share * (high[0] - low[0]), low[1] + share * (high[1] - low[1])

    def room(share: float) -> float:
        x, y = place(share)
        middle = (x - along_y * side, y + along_x * side)
        spots = [(middle[0] + part * along_x, middle[1] + part * along_y) for part in _LABEL_PARTS]
        return min(math.dist(spot, other) for spot in spots for other in taken)

    return place(max((i / 20 for i in range(3, 18)), key=room))


def _flats(roof: RoofView, x: Scale, y: Scale) -> list[Markup]:
    """Matrix rates, named beside the picture; of those that nearly meet, the highest."""
    distinct: list[tuple[str, float]] = []
    for dtype, rate in sorted(roof.compute.items(), key=lambda item: -item[1]):
        if all(abs(y(rate) - y(other)) > 9 for _, other in distinct) and rate > y.low:
            distinct.append((dtype, rate))
    places = spread([y(rate) + 4 for _, rate in distinct], 13, _TOP + 4, _BOTTOM)
    marks = []
    for (dtype, rate), place in zip(distinct, places):
        knee = max(x.low, rate / roof.memory_bytes_per_s)
        marks.append(line(x(knee), y(rate), x.end, y(rate), "roof compute"))
        marks.append(text(_RIGHT + 6, place, f"{dtype} {units.operations(rate, '')}", "roof-label"))
    return marks


def _by_name(points: Sequence[_Point], x: Scale, y: Scale) -> list[Markup]:
    """One column of points, each named beside it."""
    marks, named = [], []
    for p in sorted(points, key=lambda p: p.row.winner):
        title = f"{title_of(p.row)}, {units.operations(p.rate, 'flop/s')} on {p.workload.name}"
        size = 4.5 if p.row.winner else 3.5
        marks.append(dot(x(p.intensity), y(p.rate), size, f"dot {kind_of(p.row)}", title))
        if p.row.winner or p.row.role == "baseline":
            named.append((x(p.intensity), y(p.rate), p.row))
    places = spread([at for _, at, _ in named], 13, _TOP + 6, _BOTTOM - 4)
    for (px, py, row), at in zip(named, places):
        flip = px > 0.5 * WIDTH
        marks.append(line(px + (-6 if flip else 6), py, px + (-14 if flip else 14), at, "leader"))
        end = "end" if flip else "start"
        marks.append(text(px + (-17 if flip else 17), at + 4, short(row.name, 26), f"name {kind_of(row)}", end))
    return marks


def _by_operator(points: Sequence[_Point], x: Scale, y: Scale) -> list[Markup]:
    """A colour for each operator, named beside the picture; what was asked for filled, baselines as rings."""
    ops = list(dict.fromkeys(p.workload.op or p.workload.name for p in points))
    marks = []
    for p in sorted(points, key=lambda p: (p.row.role != "baseline", p.row.winner)):
        colour = f"s{ops.index(p.workload.op or p.workload.name) % 7}"
        title = f"{p.workload.name}, {title_of(p.row)}, {units.operations(p.rate, 'flop/s')}"
        filled = p.row.role != "baseline"
        marks.append(dot(x(p.intensity), y(p.rate), 3.6, f"{'spot' if filled else 'ring'} {colour}", title))
    top = _BOTTOM - 14 * (len(ops) + 1)
    for i, op in enumerate(ops):
        marks.append(dot(_RIGHT + 10, top + 14 * i - 4, 3.6, f"spot s{i % 7}", op))
        marks.append(text(_RIGHT + 18, top + 14 * i, short(op, 14), f"s{i % 7}"))
    marks.append(text(_RIGHT + 6, top + 14 * len(ops), "○ baselines", "tick"))
    return marks
