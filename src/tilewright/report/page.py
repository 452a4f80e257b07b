"""RunView -> one self-contained HTML page: no network, no script, light and dark, wide and narrow, printable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from os import PathLike
from typing import Any

import jinja2
from markupsafe import Markup, escape

from .. import __version__, units
from ..scores import geometric_mean
from . import charts, highlight
from .bench_pictures import sizes
from .from_store import view_of
from .roofline import roofline
from .svg import style
from .view import RowView, RunView, WorkloadView

MOST_TABLE_ROWS = 40
_ALSO = {"warm_s": "warm, {}", "eager_s": "no graph, {}", "energy_j": "energy"}
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


@dataclass(frozen=True)
class _Figure:
    what: str
    value: str
    note: str = ""
    win: bool = False


def render(run: RunView | str | PathLike[str]) -> str:
    """Return the page for `run`, a view or the folder of a run, as HTML text.

    Raises record.StoreError for a folder that holds no run.
    """
    if not isinstance(run, RunView):
        run = view_of(run)
    first = run.workloads[0] if run.workloads else None
    return _template().render(
        view=run,
        css=Markup(style("page.css") + style("picture.css")),
        figures=_figures(run, first),
        sections=[_section(w) for w in run.workloads],
        roofline=roofline(run.workloads, run.roof),
        progress=charts.progress(run.points, first),
        sizes=[(op, p) for op in dict.fromkeys(w.op for w in run.workloads) if op and (p := sizes(run.workloads, op))],
        source=highlight.python(run.source),
        failed=sum(len(f.names) for f in run.failures),
        version=__version__,
    )


def _figures(run: RunView, workload: WorkloadView | None) -> list[_Figure]:
    """The numbers under the headline, the most wanted first."""
    found: list[_Figure] = []
    winner = workload.winner if workload else None
    if workload and winner and len(run.workloads) == 1:
        interval = f"95 % interval {_span(winner.low_s, winner.high_s)}" if winner.low_s else ""
        found.append(_Figure("median", units.seconds(winner.median_s), interval, win=True))
        found.append(
            _Figure("of the bound", units.percent(winner.fraction), f"bound {units.seconds(workload.bound_s)}")
        )
        others = {name: ratio for name, ratio in winner.speedup.items() if name != winner.name}
        found += [_Figure(f"over {name}", units.times(ratio)) for name, ratio in others.items()]
    elif len(run.workloads) > 1:
        found += _aggregates(run.workloads)
    if run.evaluations is not None:
        note = f"in {units.seconds(run.elapsed_s)}" if run.elapsed_s else ""
        found.append(_Figure("evaluations", str(run.evaluations), note))
    return found


def _aggregates(workloads: Sequence[WorkloadView]) -> list[_Figure]:
    """Geometric means over workloads; a workload without a winner is counted in the note, not left out of sight."""
    found = []
    for name in dict.fromkeys(n for w in workloads for n in w.baselines):
        ratios = [w.winner.speedup.get(name) if w.winner else None for w in workloads]
        mean = geometric_mean(ratios, [w.weight for w in workloads])
        if mean.value is not None:
            note = f"geometric mean by calls, {mean.known} of {mean.total} workloads"
            found.append(_Figure(f"over {name}", units.times(mean.value), note))
    return found


def _section(workload: WorkloadView) -> dict[str, Any]:
    order = [*workload.timed, *(r for r in workload.rows if not r.median_s)]
    scale, unit = _unit(workload)
    places = (
        max(0, 2 - math.floor(math.log10(min((r.median_s or 1.0) for r in workload.timed) / scale)))
        if workload.timed
        else 0
    )

    def number(value: float | None) -> str:
        return f"{value / scale:,.{places}f}".replace(",", "\u2009") if value else units.MISSING

    def cells(row: RowView) -> dict[str, Any]:
        return {
            "name": row.name,
            "origin": row.origin if row.origin != row.name else "",
            "status": row.status,
            "kind": "winner" if row.winner else row.role,
            "median": number(row.median_s),
            "interval": f"{number(row.low_s)} – {number(row.high_s)}" if row.low_s and row.high_s else units.MISSING,
            "fraction": units.percent(row.fraction),
            "speedups": [_ratio(row.speedup.get(name)) for name in workload.baselines],
            "also": [
                units.joules(row.energy_j) if field == "energy_j" else number(getattr(row, field))
                for field in workload.also
            ],
        }

    return {
        "workload": workload,
        "unit": unit,
        "also": [_ALSO[field].format(unit) for field in workload.also],
        "rows": [cells(r) for r in order[:MOST_TABLE_ROWS]],
        "left_out": max(0, len(order) - MOST_TABLE_ROWS),
        "times": charts.times(workload),
        "samples": charts.samples(workload),
    }


def _unit(workload: WorkloadView) -> tuple[float, str]:
    """One unit for a whole column, chosen by its smallest time."""
    smallest = min((r.median_s for r in workload.timed if r.median_s), default=1.0)
    return next(((scale, unit) for scale, unit in _UNITS if smallest >= 0.9995 * scale), _UNITS[-1])


def _ratio(value: float | None) -> str:
    return f"{value:.2f}" if value is not None and math.isfinite(value) else units.MISSING


def _span(low_s: float | None, high_s: float | None) -> str:
    return f"{units.seconds(low_s)} – {units.seconds(high_s)}"


def _tone(status: str) -> str:
    if status in ("PASSED", "VERIFIED"):
        return "good"
    return "mild" if status in ("INFRA_ERROR", "NOT VERIFIED", "NOTHING BETTER", "") else "bad"


def _breakable(status: str) -> Markup:
    """`status` with places, after its underscores, where a narrow column may break it."""
    return Markup("_<wbr>").join(escape(part) for part in status.split("_"))


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, loader=jinja2.PackageLoader("tilewright", "report"), undefined=jinja2.StrictUndefined
    )
    environment.globals.update(tone=_tone, breakable=_breakable, seconds=units.seconds, dash=units.MISSING)
    return environment.get_template("page.html.j2")
