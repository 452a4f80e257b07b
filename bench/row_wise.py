"""Search every problem of examples/row_wise, one after another, and record what was found.

Run: python bench/row_wise.py [--budget 60s] [--only NAMES] [-o bench/results/row_wise.json]

None of them is an operator of the library. Recorded: the best candidate, certified, against eager and torch.compile.
With --only, the other problems keep what the file says of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tilewright import units

PROBLEMS = sorted((Path(__file__).parents[1] / "examples" / "row_wise").glob("*.py"))


def searched(problem: Path, budget: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tilewright", "optimize", str(problem), "--budget", budget, "--json"]
    ended = subprocess.run([*command, "--out", str(folder / problem.stem)], stdout=subprocess.PIPE, check=False)
    return json.loads(ended.stdout)


def row(result: dict[str, Any]) -> list[str]:
    best = result["best"]
    compiled = [v for k, v in best["speedup"].items() if k.startswith("torch.compile")]
    fraction = best["fraction_of_bound"]
    return [
        result["problem"],
        best["origin"],
        "yes" if best["certified"] else "no",
        units.seconds(best["median_s"]),
        units.percent(fraction),
        units.times(best["speedup"].get("eager")),
        units.times(min(compiled) if compiled else None),
        f"{result['budget_s']:.0f} s",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", default="60s", help="of each search")
    parser.add_argument("-o", "--out", type=Path, help="write the result here as JSON")
    parser.add_argument("--only", default="", help="problems by name, with commas")
    options = parser.parse_args()
    only = options.only.split(",") if options.only else [p.stem for p in PROBLEMS]
    kept = json.loads(options.out.read_text())["results"] if options.only else []
    with tempfile.TemporaryDirectory() as folder:
        results = [searched(p, options.budget, Path(folder)) for p in PROBLEMS if p.stem in only]
    for result in results:
        result["best"].pop("source")
        del result["run"], result["report"]  # of folders that are gone
    results = sorted([*(r for r in kept if r["problem"] not in only), *results], key=lambda r: r["problem"])
    data = {
        "caption": "Row-wise problems that are no operator of the library, each searched alone within its budget.",
        "columns": [
            "problem",
            "best",
            "certified",
            "median",
            "of bound",
            "over eager",
            "over torch.compile (best)",
            "budget",
        ],
        "rows": [row(result) for result in results],
        "results": results,
    }
    text = json.dumps(data, indent=1)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")
    print("\n".join("  ".join(cells) for cells in [data["columns"], *data["rows"]]))


if __name__ == "__main__":
    main()
