"""ProfileResult -> one self-contained HTML page in the style of the reports: no network, no script."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import jinja2
from markupsafe import Markup

from .. import __version__, units
from .nouns import ModuleTime, OperatorTime, ProfileResult

MOST_ROWS = 60


@dataclass(frozen=True)
class _Row:
    """One line of a table, its numbers as text; `bound` and `rest` are lengths of a bar, in percent of the longest."""

    name: str
    where: str
    inputs: str
    calls: int
    measured: str
    bound_s: str
    recoverable: str
    fraction: str
    limit: str
    fits: str
    bound: float
    rest: float


def render(result: ProfileResult) -> str:
    """Return the page for `result` as HTML text."""
    return _template().render(
        result=result,
        css=Markup(files("tilewright.report").joinpath("page.css").read_text()),
        figures=_figures(result),
        modules=_rows(result.modules),
        operators=_rows(result.operators),
        kernels=[(k.name, k.calls, units.seconds(k.device_s), ", ".join(k.operators)) for k in result.kernels],
        version=__version__,
    )


def _figures(result: ProfileResult) -> list[tuple[str, str, str]]:
    """(what, value, note) of the numbers under the headline."""
    plain = sorted(result.plain_s)
    found = [
        ("recoverable", units.seconds(result.recoverable_s), "measured less bound, over all calls"),
        ("operators", units.seconds(result.measured_s), f"bound {units.seconds(result.bound_s)}"),
        ("one run", units.seconds(plain[len(plain) // 2] if plain else result.wall_s),
         f"{units.seconds(result.wall_s)} under the profiler"),
        ("launch-bound", units.percent(result.launch_bound_share), "of the operators' time"),
    ]  # fmt: skip
    if (launches := result.launches) is not None:
        found.append(("TKLQT", units.seconds(launches.tklqt_s), f"over {launches.kernels} launches"))
        found.append(("device idle", units.percent(launches.idle_share), f"of {units.seconds(launches.latency_s)}"))
    return found


def _rows(rows: tuple[ModuleTime, ...] | tuple[OperatorTime, ...]) -> list[_Row]:
    longest = max((row.measured_s for row in rows), default=0.0) or 1.0
    return [_row(row, longest) for row in rows[:MOST_ROWS]]


def _row(row: ModuleTime | OperatorTime, longest_s: float) -> _Row:
    if isinstance(row, ModuleTime):
        name, where = row.module + (" backward" if row.backward else ""), row.path
        limit = f"{row.limiter}, as one kernel" if row.fused else row.limiter
    else:
        name, where = row.op, ", ".join(row.modules)
        limit = row.limiter if row.bound_s is not None else row.detail
    reached = min(row.bound_s or 0.0, row.measured_s)
    return _Row(
        name=name,
        where=where,
        inputs=", ".join(
            f"{'×'.join(map(str, shape)) or 'scalar'} {dtype}" for shape, dtype in zip(row.shapes, row.dtypes)
        ),
        calls=row.calls,
        measured=units.seconds(row.measured_s),
        bound_s=units.seconds(row.bound_s),
        recoverable=units.seconds(row.recoverable_s),
        fraction=units.percent(row.bound_s / row.measured_s if row.bound_s is not None and row.measured_s else None),
        limit=limit,
        fits=row.fits,
        bound=100 * reached / longest_s,
        rest=100 * (row.measured_s - reached) / longest_s,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, loader=jinja2.PackageLoader("tilewright", "profile"), undefined=jinja2.StrictUndefined
    )
    return environment.get_template("page.html.j2")
