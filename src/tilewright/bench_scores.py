"""Rows of a benchmark -> scores of each implementation over the workloads of its operator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .results import PASSED, SKIPPED, BenchRow, Score
from .scores import SolScore, fast_p, geometric_mean, mean_score, sol_score


def scored(rows: Sequence[BenchRow]) -> tuple[Score, ...]:
    """Return a score for every implementation and every baseline that was not skipped, in the order of the rows."""
    groups: dict[tuple[str, str], list[BenchRow]] = {}
    for row in rows:
        if row.status != SKIPPED:
            groups.setdefault((row.op, row.impl), []).append(row)
    return tuple(_score(group, rows) for group in groups.values())


def _score(group: Sequence[BenchRow], rows: Sequence[BenchRow]) -> Score:
    calls = [row.calls for row in group]
    first = group[0]
    speedup, shares = {}, {}
    for name in _baselines(first.op, rows):
        met = _beside(name, group, rows)
        ratios = [row.speedup.get(name) for row in met]
        if (mean := geometric_mean(ratios, [row.calls for row in met]).value) is not None:
            speedup[name] = mean
        if (share := fast_p(ratios)) is not None:
            shares[name] = share
    against, scores = _sol(group, rows)
    return Score(
        op=first.op,
        impl=first.impl,
        workloads=len(group),
        verified=sum(row.status == PASSED for row in group),
        call_share=geometric_mean([row.median_s for row in group], calls).weight,
        fraction_of_bound=geometric_mean([row.fraction_of_bound for row in group], calls).value,
        speedup=speedup,
        fast_1=shares,
        sol_score=mean_score([score for _, score in scores], [row.calls for row, _ in scores]),
        sol_baseline=against,
        notes=tuple(f"{row.workload}: {s.why}" for row, s in scores if s.why and row.median_s),
    )


def _baselines(op: str, rows: Iterable[BenchRow]) -> list[str]:
    """The baselines of `op` that were timed on any workload."""
    return list(dict.fromkeys(row.impl for row in rows if row.op == op and row.baseline and row.median_s))


def _beside(name: str, group: Iterable[BenchRow], rows: Iterable[BenchRow]) -> list[BenchRow]:
    """Those of `group` on whose workload baseline `name` was timed; one that failed there is one of them."""
    timed = {(row.op, row.workload) for row in rows if row.baseline and row.impl == name and row.median_s}
    return [row for row in group if (row.op, row.workload) in timed]


def _sol(group: Sequence[BenchRow], rows: Sequence[BenchRow]) -> tuple[str, list[tuple[BenchRow, SolScore]]]:
    """The baseline that the SOL score is against, the first one asked for, and the score of each row with a bound."""
    names = _baselines(group[0].op, rows)
    if not names:
        return "", []
    times = {row.workload: row for row in rows if row.op == group[0].op and row.impl == names[0] and row.median_s}
    scores = []
    for row in group:
        base = times.get(row.workload)
        if base is not None and base.median_s and base.bound_s:
            ratio = row.speedup.get(names[0])  # of the same rounds, which two medians need not be
            time_s = base.median_s / ratio if ratio and row.median_s else row.median_s
            scores.append((row, sol_score(time_s, base.median_s, base.bound_s)))
    return names[0], scores
