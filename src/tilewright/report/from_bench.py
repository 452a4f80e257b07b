"""The result of `bench` -> RunView: a table and a picture for every operator and workload."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import units
from ..results import PASSED, SKIPPED, BenchResult, BenchRow, Score
from .from_store import lines_of
from .stale import stale
from .view import RoofView, RowView, RunView, TableView, WorkloadView

MOST_KERNELS = 4
_ALSO = (
    ("warm", "warm_s", "calls take turns on inputs that the last-level cache holds, or on two"),
    ("no graph", "eager_s", "plain launches, back to back: the longer of what the GPU and what the host takes"),
    ("energy", "energy_j", "of the whole board per call, under continuous load, by NVML's counter"),
)


def view_of(result: BenchResult) -> RunView:
    """Return the view of `result`, its rows grouped by operator and workload."""
    groups: dict[tuple[str, str], list[BenchRow]] = {}
    present = [row for row in result.rows if row.status != SKIPPED]
    for row in present:
        groups.setdefault((row.op, row.workload), []).append(row)
    ops = list(dict.fromkeys(row.op for row in result.rows))
    failed = [row for row in present if not row.verified]
    skipped = dict.fromkeys(f"{r.op}: {r.detail}" for r in result.rows if r.status == SKIPPED)
    about = result.environment
    return RunView(
        kind="bench",
        title=", ".join(ops) or "bench",
        status=f"{len(failed)} NOT VERIFIED" if failed else "VERIFIED",
        summary=f"{len(present)} rows: {_count(ops, 'operator')} on {_count(list(groups), 'workload')}",
        device=", ".join(str(about[key]) for key in ("device", "device_arch") if about.get(key)),
        workloads=tuple(_workload(op, name, rows) for (op, name), rows in groups.items()),
        roof=_roof(present),
        measured=tuple(_measured(present)),
        environment=tuple(lines_of(about)),
        notes=(
            *(f"{r.op} {r.impl} on {r.workload}: {r.detail}" for r in failed if r.detail),
            *(f"skipped: {line}" for line in skipped),
            *result.notes,
        ),
        tables=(_scores(result.scores),) if result.scores else (),
        stale=tuple(stale(about, result.source_digests)),
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
            samples_s=row.samples_s,
            detail=row.detail,
            warm_s=row.warm_s,
            eager_s=row.eager_s,
            energy_j=row.energy_j,
        )
        for row in rows
    )
    first = next((r for r in rows if r.bound_s), rows[0])
    state = next((f"{r.state} inputs" for r in rows if r.state), "")
    return WorkloadView(
        f"{op} · {name}",
        views,
        state=state,
        bound_s=first.bound_s,
        limiter=first.limiter,
        quality=first.bound_quality,
        derivation=first.bound_derivation,
        bytes_moved=first.bytes_moved or None,
        flops=first.flops or None,
        op=op,
        weight=first.calls,
    )


def _roof(rows: Sequence[BenchRow]) -> RoofView | None:
    """The ceilings over all rows: memory as cold rows met it, where there are any, what is faster as the cache, and the
    matrix rates of the dtypes that the rows have."""
    found = [(row.state, dict(row.ceilings)) for row in rows if row.ceilings.get("memory")]
    if not found:
        return None
    cold = [ceilings["memory"] for state, ceilings in found if state == "cold"]
    memory = max(cold or [ceilings["memory"] for _, ceilings in found])
    fastest = max(max(ceilings["memory"], ceilings.get("cache", 0.0)) for _, ceilings in found)
    used = {row.dtype for row in rows}
    matrix = {name: rate for name, rate in found[0][1].items() if name not in ("memory", "cache")}
    compute = {name: rate for name, rate in matrix.items() if name in used} or matrix
    return RoofView(memory, compute, fastest if fastest > memory else None)


def _scores(scores: Sequence[Score]) -> TableView:
    """Scores over the workloads of each operator, one line per implementation."""
    bases = list(dict.fromkeys(name for score in scores for name in score.speedup))
    against = next((score.sol_baseline for score in scores if score.sol_baseline), "")
    rows = [
        (
            score.op,
            score.impl,
            f"{score.verified} of {score.workloads}",
            units.percent(score.fraction_of_bound),
            *(f"{units.times(score.speedup.get(b))}, {units.percent(score.fast_1.get(b))}" for b in bases),
            units.MISSING if score.sol_score is None else f"{score.sol_score:.2f}",
        )
        for score in scores
    ]
    note = "Geometric means over what passed, weighted by calls; then the share of all workloads on which it is faster."
    sol = f" SOL score against {against}, 0.5 at its time and 1 at the bound; failures count as 0." if against else ""
    columns = ("operator", "candidate", "verified", "of bound", *(f"× {b}, faster on" for b in bases), "SOL score")
    return TableView("Over all workloads", note + sol, columns, tuple(rows))


def _measured(rows: Sequence[BenchRow]) -> Iterable[tuple[str, str]]:
    for method in dict.fromkeys(r.method for r in rows if r.method):
        yield "clock", method
    for name, field, what in _ALSO:
        if any(getattr(row, field) for row in rows):
            yield name, what
    ran: dict[str, dict[str, None]] = {}
    for row in rows:
        ran.setdefault(f"{row.op} {row.impl}", {}).update(dict.fromkeys(row.kernels))
    for name, kernels in ran.items():
        if kernels:
            more = f" and {len(kernels) - MOST_KERNELS} more" if len(kernels) > MOST_KERNELS else ""
            yield f"kernels of {name}", ", ".join([*kernels][:MOST_KERNELS]) + more
    passed = sum(r.status == PASSED for r in rows)
    yield "verified", f"{passed} of {len(rows)} rows; only what passed is timed"
    widths = [(r.ci_high_s - r.ci_low_s) / r.median_s for r in rows if r.median_s and r.ci_high_s and r.ci_low_s]
    if widths:
        yield "intervals", f"95 %, at most {units.percent(max(widths))} of the median wide"


def _count(things: Sequence[object], what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"
