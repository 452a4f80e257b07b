"""Fill the tables of README and docs from what is recorded under bench/results, so that no number is typed by hand.

    python bench/readme_tables.py            write the tables
    python bench/readme_tables.py --check    end with 1 if a page says something else

A table stands between `<!-- table: NAME -->` and `<!-- end -->` and is made from bench/results/NAME.json, which is the
`--json` of an optimize, bench or profile command, or {"caption", "columns", "rows"}. It is empty where nothing is
recorded.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tilewright import units

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
PAGES = (ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("h200", "profile", "trust")))
_MOST = 12  # rows of a ranking
_MORE = (  # columns of a benchmark, where they were measured
    ("warm", "warm_s", units.seconds),
    ("no graph", "eager_s", units.seconds),
    ("sustained", "sustained_s", units.seconds),
    ("energy", "energy_j", units.joules),
)
_PLACE = re.compile(r"(<!-- table: ([\w/-]+) -->\n).*?(<!-- end -->)", re.S)


def filled(text: str, results: Path = RESULTS) -> str:
    """Return `text` with every table made anew from the files in `results`."""

    def table(place: re.Match[str]) -> str:
        recorded = results / f"{place[2]}.json"
        body = table_of(json.loads(recorded.read_text())) if recorded.is_file() else ""
        return place[1] + body + place[3]

    return _PLACE.sub(table, text)


def table_of(data: dict[str, Any]) -> str:
    """Return one recorded result as a Markdown table with its caption."""
    if "columns" in data:
        caption = data.get("caption", "")
        return markdown(
            f"{caption.removesuffix('.')}{_machine(data)}." if caption else "", data["columns"], data["rows"]
        )
    if "recoverable_s" in data:
        return _profile(data)
    return _search(data) if "evaluations" in data else _bench(data)


def markdown(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(map(str, cells)) + " |" for cells in (columns, ["---"] * len(columns), *rows)]
    return (f"{caption}\n\n" if caption else "") + "\n".join(lines) + "\n"


def _search(data: dict[str, Any]) -> str:
    entries = [e for e in data["entries"] if e["median_s"]]
    bases = list(dict.fromkeys(name for e in entries for name in e["speedup"]))
    rows = [
        [e["name"], e["status"], *_times(e), *(units.times(e["speedup"].get(b)) for b in bases)]
        for e in sorted(entries, key=lambda e: e["median_s"])
    ]
    caption = (
        f"`{data['problem']}` on `{data['workload']}`: {data['evaluations']} evaluations in {data['spent_s']:.0f} s"
    )
    columns = ["candidate", "verdict", "median (95 % interval)", "of bound", *(f"over {b}" for b in bases)]
    return markdown(caption + _machine(data) + ".", columns, rows)


def _bench(data: dict[str, Any]) -> str:
    timed = [r for r in data["rows"] if r["median_s"] is not None]
    bases = list(dict.fromkeys(name for r in timed for name in r["speedup"]))
    more = [part for part in _MORE if any(r.get(part[1]) for r in timed)]
    rows = [
        [
            *(r["op"], r["impl"], r["workload"], r["status"], *_times(r)),
            *(units.times(r["speedup"].get(b)) for b in bases),
            *(shown(r.get(key)) for _, key, shown in more),
        ]
        for r in timed
    ]
    columns = [
        "operator",
        "impl",
        "workload",
        "verdict",
        "median (95 % interval)",
        "of bound",
        *(f"over {b}" for b in bases),
        *(name for name, _, _ in more),
    ]
    return markdown(f"Verified, then timed side by side{_machine(data)}.", columns, rows)


def _profile(data: dict[str, Any]) -> str:
    """Modules and operators by recoverable time, and the place that each operator would have by time alone."""
    caption = f"One run: {units.seconds(sorted(data['plain_s'])[len(data['plain_s']) // 2])}, of which operators "
    caption += f"{units.seconds(data['measured_s'])} under the profiler; bound {units.seconds(data['bound_s'])}"
    head = ["calls", "measured", "bound", "recoverable", "of bound", "limit", "library"]
    modules = [[r["module"], r["path"], *_recoverable(r)] for r in data["modules"] if not r["backward"]]
    order = sorted(data["operators"], key=lambda r: -r["measured_s"])
    operators = [
        [r["op"], "x".join(map(str, r["shapes"][-1])) if r["shapes"] else "", *_recoverable(r), order.index(r) + 1]
        for r in data["operators"]
    ]
    first = markdown(caption + _machine(data) + ".", ["module", "in", *head], modules[:_MOST])
    return first + "\n" + markdown("", ["operator", "last input", *head, "by time"], operators[:_MOST])


def _recoverable(row: dict[str, Any]) -> list[Any]:
    times = [units.seconds(row[key]) for key in ("measured_s", "bound_s", "recoverable_s")]
    share = row["bound_s"] / row["measured_s"] if row["bound_s"] is not None and row["measured_s"] else None
    return [row["calls"], *times, units.percent(share), row["limiter"], row["fits"]]


def _times(row: dict[str, Any]) -> list[str]:
    low, high = units.seconds(row["ci_low_s"]), units.seconds(row["ci_high_s"])
    return [f"{units.seconds(row['median_s'])} ({low} to {high})", units.percent(row["fraction_of_bound"])]


def _machine(data: dict[str, Any]) -> str:
    found = data.get("environment", {})
    if found.get("device_kind") == "cuda":
        parts = [found.get("device"), f"driver {found.get('driver')}"]
    else:
        parts = [found.get("cpu"), f"{found['cores']} core{'s' * (found['cores'] > 1)}" if found.get("cores") else ""]
    parts += [f"torch {found['torch']}" if found.get("torch") else ""]
    said = ", ".join(str(p) for p in parts if p)
    return f", on {said}" if said else ""


def main(arguments: Sequence[str]) -> int:
    stale = {page: text for page in PAGES if (text := filled(page.read_text())) != page.read_text()}
    if "--check" in arguments:
        for page in stale:
            print(f"{page.name} is not what bench/results says: run make readme", file=sys.stderr)
        return int(bool(stale))
    for page, text in stale.items():
        page.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
