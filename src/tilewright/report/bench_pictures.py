"""The pictures of a benchmark as files: roofline, times, samples, times over sizes, before and after."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from .. import units
from ..results import ComparedRow, ComparisonResult
from . import charts
from .lines import Series, lines, power_of_two_bytes
from .roofline import roofline
from .svg import Scale, alone, axis_x, dot, figure, line, text
from .view import RunView, WorkloadView

_WIDTH, _LABEL = 620, 250
MOST_ROWS = 40


def pictures(view: RunView) -> dict[str, str]:
    """Return the text of an SVG file for every picture that `view` has something to draw for."""
    return {name: alone(picture, title) for name, title, picture in _drawn(view) if picture}


def _drawn(view: RunView) -> Iterator[tuple[str, str, Markup | str]]:
    yield "roofline", f"Roofline, {view.device or view.title}", roofline(view.workloads, view.roof)
    for workload in view.workloads:
        slug = _slug(workload.name)
        yield f"times-{slug}", f"{workload.name}: time against the bound", charts.times(workload)
        yield f"samples-{slug}", f"{workload.name}: samples about their median", charts.samples(workload)
    for op in dict.fromkeys(w.op for w in view.workloads if w.op):
        yield f"sizes-{_slug(op)}", f"{op}: time over size", sizes(view.workloads, op)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-")


def sizes(workloads: Sequence[WorkloadView], op: str) -> Markup | str:
    """Time over the bytes that must move, a line per implementation, with the bound; for at least three sizes."""
    mine = sorted((w for w in workloads if w.op == op and w.bytes_moved), key=lambda w: w.bytes_moved or 0)
    if len({w.bytes_moved for w in mine}) < 3:
        return ""
    names = list(dict.fromkeys(row.name for w in workloads for row in w.timed))  # each has one colour
    series = [Series("bound", "limit", tuple((float(w.bytes_moved or 0), w.bound_s) for w in mine if w.bound_s))]
    for i, name in enumerate(names):
        rows = [(w, row) for w in mine for row in w.timed if row.name == name]
        points = tuple((float(w.bytes_moved or 0), row.median_s) for w, row in rows if row.median_s)
        series.append(Series(name, f"s{i % 7}", points))
    return lines(
        series, f"Times of {op} over size", power_of_two_bytes, units.ticks, "time", "bytes that must move", log_y=True
    )  # fmt: skip


def before_after(result: ComparisonResult) -> str:
    """Return the text of an SVG file with the ratio of times of every row, b over a; empty without rows."""
    picture = _ratios(result.rows[:MOST_ROWS])
    left = len(result.rows) - MOST_ROWS
    title = "Time after / before" + (f", the first {MOST_ROWS} of {len(result.rows)} rows" if left > 0 else "")
    return alone(picture, title) if picture else ""


def _ratios(rows: Sequence[ComparedRow]) -> Markup | str:
    if not rows:
        return ""
    top, step = 8, 24
    bottom = top + step * len(rows)
    low, high = min(1.0, *(r.ci_low for r in rows)), max(1.0, *(r.ci_high for r in rows))
    scale = Scale(low / 1.05, high * 1.05, _LABEL + 8, _WIDTH - 120, log=high > 3 * low)
    marks = axis_x(scale, top, bottom, lambda v: f"{v:.3g}×")
    marks.append(line(scale(1.0), top - 4, scale(1.0), bottom, "bound"))
    for i, row in enumerate(rows):
        marks += _ratio(row, scale, top + step * i + step / 2)
    marks.append(text(scale(1.0), bottom + 32, "faster  ←  as before  →  slower", "tick", "middle"))
    return figure(_WIDTH, bottom + 38, f"Times after over before of {len(rows)} rows", marks)


def _ratio(row: ComparedRow, scale: Scale, y: float) -> list[Markup]:
    kind = {"faster": "better", "slower": "worse"}.get(row.verdict, "other")
    name = f"{row.op} {row.impl} · {row.workload}"
    title = f"{name}: {units.seconds(row.a_s)} before, {units.seconds(row.b_s)} after; {row.verdict} {row.why}"
    shown = name if len(name) <= 38 else f"{name[:37]}…"
    return [
        text(_LABEL, y + 4, shown, "name", "end"),
        line(scale(row.ci_low), y, scale(row.ci_high), y, f"interval {kind}"),
        dot(scale(row.ratio), y, 4.5, f"dot {kind}", title.strip()),
        text(_WIDTH - 112, y + 4, f"{row.ratio:.3f} {row.verdict}", f"value {kind}"),
    ]
