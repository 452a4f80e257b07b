"""Generated Triton kernels for row-wise problems on a GPU, with their default settings, beside their baselines.

Run: python bench/gpu_generated.py -o bench/results/h200/generated.json

For every problem one kernel is generated from its reference, verified, timed in rounds with eager PyTorch and
torch.compile in both modes, and certified. Nothing is tuned here: `tilewright optimize` would go on from these.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from gpu_operators import BASELINES, say, warm

from tilewright import bench_rows, formats, units
from tilewright.device import calibrate, detect, environment
from tilewright.optimize.result import source_digest
from tilewright.optimize.rowwise import generate
from tilewright.results import BenchRow

EXAMPLES = Path(__file__).parents[1] / "examples"
PROBLEMS = (EXAMPLES / "rms_norm_residual.py", EXAMPLES / "row_wise_held_out")
COLUMNS = ["problem", "verdict", "certified", "median, cool", "of bound", *(f"over {name}" for name in BASELINES)]


def line(row: BenchRow) -> list[str]:
    if row.median_s is None:
        return [row.op, row.status, "no", *["-"] * (len(COLUMNS) - 3)]
    return [
        row.op,
        row.status,
        "yes" if row.certified else "no",
        units.seconds(row.median_s),
        units.percent(row.fraction_of_bound),
        *(over(row, name) for name in BASELINES),
    ]


def over(row: BenchRow, name: str) -> str:
    """How many times faster than a baseline, with the 95 % interval of the paired ratio."""
    if name not in row.paired:
        return "-"
    ratio, low, high = row.paired[name]
    return f"{units.times(1 / ratio)} ({units.digits(1 / high)} to {units.digits(1 / low)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, nargs="+", default=PROBLEMS, help="problem files, or folders of them")
    parser.add_argument("-o", "--out", type=Path, help="write the result here as JSON")
    options = parser.parse_args()
    machine = detect("cuda")
    if machine.profile is None or machine.profile.quick:
        machine = calibrate(machine, say)
    files = [f for given in options.problems for f in (sorted(given.glob("*.py")) if given.is_dir() else [given])]
    problems = [formats.load_problem(str(file)) for file in files]
    say("torch.compile fills its caches")
    warm([(problem, problem.workloads[0]) for problem in problems], machine)
    rows: list[BenchRow] = []
    for problem in problems:
        workload = problem.workloads[0]
        say(f"{problem.name} on {workload.name}")
        candidate = generate(problem, workload, device="cuda")
        rows += bench_rows.rows_of(problem, workload, [candidate], BASELINES, machine, certified=True)
        data: dict[str, Any] = {
            "caption": "Generated Triton kernels with default settings, beside eager and torch.compile, same rounds.",
            "columns": COLUMNS,
            "rows": [line(row) for row in rows if not row.baseline],
            "environment": environment(machine),
            "source_digests": {"rowwise": source_digest("rowwise", machine.arch)},
            "results": [row.model_dump(mode="json") for row in rows],
        }
        if options.out:  # after each, so that a run that is cut short leaves what it has
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(data, indent=1) + "\n")
    print("\n".join("  ".join(cells) for cells in [COLUMNS, *data["rows"]]))


if __name__ == "__main__":
    main()
