"""Results of `bench` on disk: kept with their page and pictures, read back, and two of them compared row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .formats import InputError
from .measure.nouns import LEVEL_RATIO
from .report import files, render
from .report.bench_pictures import before_after, pictures
from .report.from_bench import view_of
from .report.stale import stale
from .results import BenchResult, BenchRow, ComparedRow, ComparisonResult
from .scores import verdict_of

BENCH_FILE = "bench.json"
BENCH_PAGE = "bench.html"
COMPARISON_FILE = "comparison.json"

# What of the environment may change the time of the same kernel. On a GPU kernels are timed, and not the host.
_DECIDES = {
    "cpu": ("device", "device_arch", "cpu", "cores", "threads", "torch", "tilewright", "precision"),
    "cuda": ("device", "device_arch", "driver", "runtime", "torch", "triton", "tilewright", "precision"),
}


def store(result: BenchResult, folder: Path) -> None:
    """Write `result` into `folder`, for `--compare` and for people, with its pictures as files."""
    (folder / BENCH_FILE).write_text(result.to_json(indent=1) + "\n")
    view = view_of(result)
    (folder / BENCH_PAGE).write_text(render(view), encoding="utf-8")
    for name, text in pictures(view).items():
        files.write(folder, name, text)


def store_comparison(result: ComparisonResult, folder: Path) -> None:
    """Write `result` into `folder`, with a picture of it."""
    (folder / COMPARISON_FILE).write_text(result.to_json(indent=1) + "\n")
    if picture := before_after(result):
        files.write(folder, "before-after", picture)


def read(path: str | Path) -> BenchResult:
    """Return the result that `bench` stored in the file or folder `path`."""
    file = Path(path) / BENCH_FILE if Path(path).is_dir() else Path(path)
    try:
        return BenchResult.from_json(file.read_text())
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, json.JSONDecodeError):
        raise InputError(f"{file} is no result of: tilewright bench --out DIR") from None


def compare(a: str | Path, b: str | Path) -> ComparisonResult:
    """Compare two stored results, row by row; rows of different environments have no verdict."""
    results = read(a), read(b)
    first, second = ({_key(r): r for r in result.rows} for result in results)
    timed = [{k for k, r in rows.items() if r.median_s} for rows in (first, second)]
    differs = _differing(results[0].environment, results[1].environment)
    both = [key for key in first if key in timed[0] & timed[1]]
    return ComparisonResult(
        a=str(a),
        b=str(b),
        rows=tuple(compared(first[key], second[key], differs) for key in both),
        missing=tuple(" ".join(key) for key in {**first, **second} if (key in timed[0]) != (key in timed[1])),
        differs=differs,
        notes=(*_failures(first, second, timed), *_stale("a", results[0]), *_stale("b", results[1])),
    )


def _key(row: BenchRow) -> tuple[str, str, str, str]:
    return (row.op, row.impl, row.workload, row.device)


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The fields of two environments that decide times and are not the same."""
    fields = dict.fromkeys(name for env in (a, b) for name in _DECIDES.get(str(env.get("device_kind", "cpu")), ()))
    found = {name: (a.get(name), b.get(name)) for name in fields}
    return {
        name: (_said(one), _said(other)) for name, (one, other) in found.items() if one != other
    }  # fmt: skip


def _said(value: Any) -> str:
    return "not recorded" if value is None else value if isinstance(value, str) else json.dumps(value)


def _failures(
    a: Mapping[Any, BenchRow], b: Mapping[Any, BenchRow], timed: list[set[tuple[str, str, str, str]]]
) -> Iterator[str]:
    for name, rows, other in (("a", a, timed[1]), ("b", b, timed[0])):
        for key in other:
            if key in rows and not rows[key].median_s:
                yield f"{' '.join(key)} has no time in {name}: {rows[key].status}"


def _stale(name: str, result: BenchResult) -> Iterator[str]:
    for line in stale(result.environment, result.source_digests):
        yield f"{name} is stale: {line}"


def compared(a: BenchRow, b: BenchRow, differs: Mapping[str, tuple[str, str]]) -> ComparedRow:
    """Compare two rows by what their intervals leave open; runs at different times cannot be paired."""
    assert a.median_s and b.median_s and a.ci_low_s and b.ci_low_s and a.ci_high_s and b.ci_high_s
    low, high = b.ci_low_s / a.ci_high_s, b.ci_high_s / a.ci_low_s
    why = [f"{name} was {one} and is {other}" for name, (one, other) in differs.items()]
    for field in ("state", "method"):
        one, other = getattr(a, field), getattr(b, field)
        why += [f"{field} was {one or 'not recorded'} and is {other or 'not recorded'}"] if one != other else []
    return ComparedRow(
        op=a.op,
        impl=a.impl,
        workload=a.workload,
        device=a.device,
        a_s=a.median_s,
        b_s=b.median_s,
        ratio=b.median_s / a.median_s,
        ci_low=low,
        ci_high=high,
        verdict="not comparable" if why else verdict_of(low, high, LEVEL_RATIO),
        why="; ".join(why),
    )
