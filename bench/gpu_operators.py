"""Time the operators on a GPU at the shapes that peers are known by, and record every row beside its peers.

Run: python bench/gpu_operators.py --only gemm -o bench/results/h200/gemm.json

Every row is verified first; eager PyTorch (for gemm that is cuBLAS) and torch.compile in both modes run in the same
rounds. The device profile, calibrated here before, goes into the record: what a row reaches stands beside the copy
bandwidth and the matrix rate of the same machine in the same minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tilewright import bench_rows, ops, targets, units
from tilewright.device import Device, Profile, calibrate, detect, environment
from tilewright.problem import Problem, Workload
from tilewright.results import BenchResult, BenchRow

ROW_SHAPES = ((8192, 4096), (4096, 8192), (2048, 32768))
SQUARES = (4096, 8192)
BEGUN = time.perf_counter()
BASELINES = ("eager", "compile", "compile-max")


def workloads(name: str) -> list[Workload]:
    if name == "gemm":
        return [Workload(name=f"{n}^3", axes={"M": n, "N": n, "K": n}, dtype="bfloat16") for n in SQUARES]
    return [Workload(name=f"{m}x{n}", axes={"M": m, "N": n}, dtype="bfloat16") for m, n in ROW_SHAPES]


def say(line: str) -> None:
    print(f"[{time.perf_counter() - BEGUN:6.1f} s] {line}", file=sys.stderr, flush=True)


def warm(jobs: Iterable[tuple[Problem, Workload]], machine: Device) -> None:
    """torch.compile for all rows side by side, on all cores, before anything is timed."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda job: bench_rows.warm(*job, BASELINES, machine), jobs))


def measured(names: list[str], machine: Device) -> list[BenchRow]:
    rows: list[BenchRow] = []
    say("torch.compile fills its caches")
    warm([(ops.get(name), workload) for name in names for workload in workloads(name)], machine)
    for name in names:
        problem = ops.get(name)
        timed = targets.only(targets.resolve(name, None, 60.0), targets.TIMED_ON["cuda"], "cuda", "a GPU is needed")
        candidates = [c for c in timed.candidates if c.name != "reference"]
        for workload in workloads(name):
            say(f"{name} on {workload.name}")
            rows += bench_rows.rows_of(problem, workload, candidates, BASELINES, machine)
    return rows


def copy_in_memory(profile: Profile) -> float:
    """Bytes/s, read and written, of a copy much larger than the cache: of smaller ones a part never leaves it."""
    return max(profile.copy)[1]


def line(row: BenchRow, copy_rate: float) -> list[str]:
    """One line of the table: bytes over the copy rate for a row operator, operations per second for a product."""
    if row.median_s is None:
        return [row.op, row.impl, row.workload, row.status, *["-"] * (len(COLUMNS) - 4)]
    workload = next(w for w in workloads(row.op) if w.name == row.workload)
    cost = ops.get(row.op).cost(workload)  # type: ignore[misc]
    flops, moved = sum(cost.flops.values()), cost.bytes_read + cost.bytes_written
    reached = units.percent(moved / copy_rate / row.median_s)
    return [
        row.op,
        row.impl,
        row.workload,
        row.status,
        units.seconds(row.median_s),
        units.operations(flops / row.median_s, "flop/s") if row.op == "gemm" else reached,
        units.percent(row.fraction_of_bound),
        *(_over(row, name) for name in BASELINES),
        units.seconds(row.sustained_s),
        units.seconds(row.host_s),
    ]


def _over(row: BenchRow, name: str) -> str:
    """How many times faster than a baseline, with the 95 % interval of the paired ratio."""
    if name not in row.paired:
        return "1"
    ratio, low, high = row.paired[name]
    return f"{units.times(1 / ratio)} ({units.digits(1 / high)} to {units.digits(1 / low)})"


COLUMNS = ["operator", "implementation", "workload", "verdict", "median, cool", "of copy, or rate", "of bound",
           *(f"over {name}" for name in BASELINES), "sustained", "host"]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="rms_norm,softmax,gemm", help="operators, with commas")
    parser.add_argument("-o", "--out", type=Path, help="write the result here as JSON")
    options = parser.parse_args()
    machine = detect("cuda")
    if machine.profile is None or machine.profile.quick:
        machine = calibrate(machine, say)
    assert machine.profile is not None
    copy_rate = copy_in_memory(machine.profile)
    rows = measured(options.only.split(","), machine)
    digests = bench_rows.source_digests([ops.get(name) for name in options.only.split(",")], machine)
    result = BenchResult(rows=tuple(rows), environment=environment(machine), source_digests=digests)
    data: dict[str, Any] = {
        "caption": "Operators on one GPU beside eager PyTorch and torch.compile, same rounds, cool.",
        "columns": COLUMNS,
        "rows": [line(row, copy_rate) for row in rows],
        "copy_bytes_per_s": copy_rate,
        "environment": result.environment,
        "source_digests": result.source_digests,
        "result": result.model_dump(mode="json"),
        "profile": machine.profile.model_dump(mode="json"),
    }
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(data, indent=1) + "\n")
    print("\n".join("  ".join(cells) for cells in [COLUMNS, *data["rows"]]))


if __name__ == "__main__":
    main()
