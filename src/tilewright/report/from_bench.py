"""The result of `bench` -> RunView: a table and a picture for every operator and workload."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import units
from ..results import PASSED, BenchResult, BenchRow
from .from_store import lines_of
from .view import RowView, RunView, WorkloadView


def view_of(result: BenchResult) -> RunView:
    """Return the view of `result`, its rows grouped by operator and workload."""
    groups: dict[tuple[str, str], list[BenchRow]] = {}
    for row in result.rows:
        groups.setdefault((row.op, row.workload), []).append(row)
    ops = list(dict.fromkeys(row.op for row in result.rows))
    failed = [row for row in result.rows if not row.verified]
    about = result.environment
    return RunView(
        kind="bench",
        title=", ".join(ops) or "bench",
        status=f"{len(failed)} NOT VERIFIED" if failed else "VERIFIED",
        summary=f"{len(result.rows)} rows: {_count(ops, 'operator')} on {_count(list(groups), 'workload')}",
        device=", ".join(str(about[key]) for key in ("device", "device_arch") if about.get(key)),
        workloads=tuple(_workload(op, name, rows) for (op, name), rows in groups.items()),
        measured=tuple(_measured(result.rows)),
        environment=tuple(lines_of(about)),
        notes=(*(f"{r.op} {r.impl} on {r.workload}: {r.detail}" for r in failed if r.detail), *result.notes),
    )


def _workload(op: str, name: str, rows: Sequence[BenchRow]) -> WorkloadView:
    proved = [r for r in rows if r.verified and r.median_s and not r.baseline]
    fastest = min(proved, key=lambda r: r.median_s or 0.0, default=None)
    views = tuple(
        RowView(
            name=row.impl,
            status=row.status,
            role="baseline" if row.baseline else "candidate",
            winner=row is fastest,
            median_s=row.median_s,
            low_s=row.ci_low_s,
            high_s=row.ci_high_s,
            fraction=row.fraction_of_bound,
            speedup=row.speedup,
            detail=row.detail,
        )
        for row in rows
    )
    first = next((r for r in rows if r.bound_s), rows[0])
    state = next((f"{r.state} inputs" for r in rows if r.state), "")
    return WorkloadView(f"{op} · {name}", views, state=state, bound_s=first.bound_s, quality=first.bound_quality)


def _measured(rows: Sequence[BenchRow]) -> Iterable[tuple[str, str]]:
    for method in dict.fromkeys(r.method for r in rows if r.method):
        yield "clock", method
    passed = sum(r.status == PASSED for r in rows)
    yield "verified", f"{passed} of {len(rows)} rows; only what passed is timed"
    widths = [(r.ci_high_s - r.ci_low_s) / r.median_s for r in rows if r.median_s and r.ci_high_s and r.ci_low_s]
    if widths:
        yield "intervals", f"95 %, at most {units.percent(max(widths))} of the median wide"


def _count(things: Sequence[object], what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"
