"""The pictures of the page: times against the bound, the samples, the progress of the search.

Each takes view data and returns one SVG, or an empty string where there is nothing to draw. Every mark has a title that
a pointer shows. Values outside of a picture's range are counted in words, never moved into it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from itertools import groupby

from markupsafe import Markup

from .. import units
from .svg import Scale, axis_x, axis_y, dot, figure, line, path, spread, tag, text
from .view import PointView, RowView, WorkloadView

WIDTH = 480
MOST_ROWS = 14
_LABEL = 126  # pixels for names at the left


def times(workload: WorkloadView) -> Markup | str:
    """Dot and 95 % interval per implementation, the fastest first, with the achievable bound as a line."""
    rows = shown_rows(workload)
    if not rows:
        return ""
    top, step = 26, 25
    bottom = top + step * len(rows)
    ends = [t for r in rows for t in (r.median_s, r.high_s) if t] + [workload.bound_s or 0.0]
    lowest = min([r.low_s or r.median_s or 0.0 for r in rows] + [workload.bound_s or max(ends)])
    wide = max(ends) > 10 * lowest  # beyond that the fast ones crowd at the left
    low = lowest / 1.3 if wide else 0.0
    scale = Scale(low, max(ends) * (1.3 if wide else 1.04), _LABEL + 8, WIDTH - 66, log=wide)
    marks = axis_x(scale, top - 6, bottom, units.ticks)
    if workload.bound_s:
        x = scale(workload.bound_s)
        side = "end" if x > WIDTH - 170 else "start"
        words = f"bound {units.seconds(workload.bound_s)}"
        marks += [
            line(x, top - 10, x, bottom, "bound"),
            text(x - 2 if side == "start" else x + 2, 11, words, "bound-label", side),
        ]
    for i, row in enumerate(rows):
        marks += _time_row(row, scale, top + step * i + step / 2)
    return figure(WIDTH, int(bottom) + 22, f"Times on {workload.name}, fastest first", marks)


def shown_rows(workload: WorkloadView) -> list[RowView]:
    """The rows that a chart has room for: the winner, the baselines, then the fastest others; fastest first."""
    timed = workload.timed
    keep = [r for r in timed if r.winner or r.role == "baseline"]
    keep += [r for r in timed if r not in keep and r.passed][: max(0, MOST_ROWS - len(keep))]
    return [r for r in timed if r in keep]


def _time_row(row: RowView, scale: Scale, y: float) -> list[Markup]:
    assert row.median_s is not None
    kind, title = kind_of(row), title_of(row)
    marks = [text(_LABEL, y + 4, short(row.name, 16), f"name {kind}", "end")]
    if row.low_s and row.high_s:
        marks.append(line(scale(row.low_s), y, scale(row.high_s), y, f"interval {kind}"))
    marks.append(dot(scale(row.median_s), y, 4.5, f"dot {kind}", title))
    marks.append(text(WIDTH, y + 4, units.seconds(row.median_s), f"value {kind}", "end"))
    return marks


def kind_of(row: RowView) -> str:
    if row.winner:
        return "winner"
    return "baseline" if row.role == "baseline" else ("other" if row.passed else "failed")


def title_of(row: RowView) -> str:
    interval = f" [{units.seconds(row.low_s)}, {units.seconds(row.high_s)}]" if row.low_s and row.high_s else ""
    return f"{row.name}: {units.seconds(row.median_s)}{interval}, {units.percent(row.fraction)} of bound, {row.status}"


def short(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def samples(workload: WorkloadView, most: int = 7) -> Markup | str:
    """Every sample of the finalists as a point, relative to its own median, with the median's 95 % interval.

    Relative, because spread, tails and a second mode are what samples show; the times themselves stand elsewhere.
    """
    rows = [r for r in shown_rows(workload) if len(r.samples_s) > 1 and r.median_s][:most]
    if not rows:
        return ""
    relative = {id(r): sorted(s / r.median_s - 1 for s in r.samples_s) for r in rows if r.median_s}
    low = min(values[int(0.01 * len(values))] for values in relative.values())
    high = max(values[int(0.97 * (len(values) - 1))] for values in relative.values())
    pad = 0.06 * (high - low) or 0.01
    top, step = 8, 34
    bottom = top + step * len(rows)
    scale = Scale(min(low - pad, -pad), high + pad, _LABEL + 8, WIDTH - 62)
    marks = axis_x(scale, top, bottom, lambda v: f"{100 * v:+.3g} %" if abs(v) > 1e-9 else "median")
    for i, row in enumerate(rows):
        marks += _strip(row, scale, top + step * i + step / 2)
    return figure(WIDTH, int(bottom) + 22, f"Samples of the finalists on {workload.name}", marks)


def _strip(row: RowView, scale: Scale, y: float) -> list[Markup]:
    kind, middle = kind_of(row), row.median_s or statistics.median(row.samples_s)
    offsets = [s / middle - 1 for s in row.samples_s]
    inside = [v for v in offsets if scale.low <= v <= scale.high]
    every = max(1, math.ceil(len(inside) / 400))  # more dots than that add bytes, not information
    marks = [text(_LABEL, y + 4, short(row.name, 16), f"name {kind}", "end")]
    if row.low_s and row.high_s:
        left, right = (min(max(scale(t / middle - 1), scale.start), scale.end) for t in (row.low_s, row.high_s))
        marks.append(tag("rect", x=left, y=y - 12, width=max(1.5, right - left), height=24.0, class_=f"band {kind}"))
    for i, value in enumerate(inside[::every]):
        jitter = ((i * 0.618034) % 1.0 - 0.5) * 17  # golden ratio steps: even cover without chance
        marks.append(tag("circle", cx=float(scale(value)), cy=float(y + jitter), r=1.5, class_=f"sample {kind}"))
    stroke = line(scale(0.0), y - 12, scale(0.0), y + 12, f"median {kind}")
    marks.append(tag("g", tag("title", title_of(row)), stroke))
    if beyond := sum(v > scale.high for v in offsets):
        words = f"{beyond} slower"
        marks.append(text(WIDTH, y + 4, words, "tick", "end"))
    return marks


def progress(points: Sequence[PointView], workload: WorkloadView | None) -> Markup | str:
    """Every evaluation of the search over wall time, the best so far as a line; failures stand below the axis."""
    timed = [p for p in points if p.time_s and p.status == "PASSED"]
    if not points or not timed:
        return ""
    lines = _reference_lines(workload)
    values = [p.time_s or 0.0 for p in timed] + [t for _, t, _ in lines]
    top, bottom, left, right = 10.0, 212.0, 52.0, WIDTH - 88.0
    rug = bottom + 30
    log = max(values) > 4 * min(values)
    y = Scale(min(values) / 1.12 if log else 0.0, max(values) * (1.15 if log else 1.06), bottom, top, log=log)
    x = Scale(0.0, max(p.at_s for p in points) * 1.01 or 1.0, left, right)
    marks = axis_y(y, left, right, units.ticks, 5)
    marks += [text(x(tick), rug + 28, f"{tick:g} s", "tick", "middle") for tick in x.ticks(6)]
    places = spread([y(t) for _, t, _ in lines], 13, top, bottom)
    for (name, value, cls), at in zip(lines, places):
        marks += [line(left, y(value), right, y(value), cls), text(right + 5, at + 4, short(name, 14), f"{cls}-label")]
    marks.append(path(_steps(timed, x, y), "best"))
    marks += [dot(x(p.at_s), y(p.time_s or 0.0), 2.6, "dot try", _pointtitle_of(p)) for p in timed]
    failed = [p for p in points if p.status != "PASSED"]
    for p in failed:
        cls = "infra" if p.status == "INFRA_ERROR" else "failed"
        marks.append(
            tag("g", tag("title", _pointtitle_of(p)), line(x(p.at_s), rug - 5, x(p.at_s), rug + 5, f"rug {cls}"))
        )
    marks.append(text(left - 7, rug + 4, "failed", "tick", "end"))
    marks.append(text(right + 5, rug + 4, f"{len(failed)} of {len(points)}", "tick"))
    marks.append(line(left, rug + 11, right, rug + 11, "grid"))
    return figure(WIDTH, int(rug) + 34, f"Progress: {len(points)} evaluations, {len(failed)} failed", marks)


def _reference_lines(workload: WorkloadView | None) -> list[tuple[str, float, str]]:
    if workload is None:
        return []
    found = [(r.name, r.median_s, "reference") for r in workload.timed if r.role == "baseline" and r.median_s]
    return [*found, ("bound", workload.bound_s, "bound")] if workload.bound_s else found


def _steps(timed: Iterable[PointView], x: Scale, y: Scale) -> list[tuple[float, float]]:
    """The corners of the best-so-far line."""
    corners: list[tuple[float, float]] = []
    best = float("inf")
    for at_s, group in groupby(sorted(timed, key=lambda p: p.at_s), key=lambda p: p.at_s):
        here = min(p.time_s or float("inf") for p in group)
        if here < best:
            if corners:
                corners.append((x(at_s), y(best)))
            corners.append((x(at_s), y(here)))
            best = here
    return [*corners, (x.end, y(best))]


def _pointtitle_of(point: PointView) -> str:
    time = units.seconds(point.time_s) if point.time_s else point.status
    return f"{point.name or 'candidate'}: {time} at {point.at_s:.1f} s" + (
        f", by {point.origin}" if point.origin else ""
    )
