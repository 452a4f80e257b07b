"""Search every problem of a folder, one after another, and record what was found.

Run: python bench/row_wise.py [--problems examples/row_wise_held_out] [--device cpu] [--budget 120s] [-o FILE.json]

None of them is an operator of the library. Recorded: the best candidate, certified, against eager and torch.compile.
The problems of examples/row_wise were at hand while the generator of row-wise kernels was written; those of
examples/row_wise_held_out were written after it was finished.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tilewright import api, units

HELD_OUT = Path(__file__).parents[1] / "examples" / "row_wise_held_out"


def searched(problem: Path, budget: str, device: str, folder: Path) -> dict[str, Any]:
    """Run the command on one problem; on a GPU in this process, which has met the GPU already."""
    if device.startswith("cuda"):
        result = api.optimize(str(problem), budget=budget, device=device, out=folder / problem.stem, progress=say)
        return result.model_dump(mode="json")
    command = [sys.executable, "-m", "tilewright", "optimize", str(problem), "--budget", budget, "--json"]
    command += ["--device", device, "--out", str(folder / problem.stem)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    return json.loads(ended.stdout)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


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
    parser.add_argument("--problems", type=Path, nargs="+", default=[HELD_OUT], help="folders, or problem files")
    parser.add_argument("--budget", default="120s", help="of each search")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda")
    parser.add_argument("-o", "--out", type=Path, help="write the result here as JSON")
    options = parser.parse_args()
    problems = [p for given in options.problems for p in (sorted(given.glob("*.py")) if given.is_dir() else [given])]
    if not problems:
        parser.error(f"{options.problems[0]} holds no problem file (*.py)")
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for problem in problems:
            result = searched(problem, options.budget, options.device, Path(folder))
            result["best"].pop("source")
            del result["run"], result["report"]  # of a folder that will be gone
            results.append(result)
            recorded = data_of(results)
            if options.out:  # after each, so that a run that is cut short leaves what it has
                options.out.parent.mkdir(parents=True, exist_ok=True)
                options.out.write_text(json.dumps(recorded, indent=1) + "\n")
    print("\n".join("  ".join(cells) for cells in [recorded["columns"], *recorded["rows"]]))


def data_of(results: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "caption": "Row-wise problems that are no operator of the library, each searched alone within its budget.",
        "columns": [
            "problem", "best", "certified", "median", "of bound", "over eager", "over torch.compile (best)", "budget",
        ],
        "rows": [row(result) for result in results],
        "environment": results[0]["environment"],
        "results": results,
    }  # fmt: skip


if __name__ == "__main__":
    main()
