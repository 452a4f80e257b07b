"""What trust costs: the time of screen, measure and certify for one candidate, against a naive check in one process.

Run: python bench/trust_cost.py [-o bench/results/trust_cost.json]

The naive check is what many harnesses do: load the candidate beside the reference, compare one result by allclose, and
time a loop. Here the same candidate goes through each tier of the judge, where truths are made and children are
started already, as in a search; `certify` starts a process of its own every time. What truths of all tiers and the
first child cost is a column of its own. Compiling is left out on both sides: every candidate is built before.
Each figure is the median of a few repetitions in turn. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tilewright import bench_rows, ops, targets, units
from tilewright.candidate import Candidate
from tilewright.device import detect, environment
from tilewright.evaluate import Evaluator
from tilewright.heap import keep_freed_memory
from tilewright.problem import Inputs, Problem, Workload, as_tuple
from tilewright.verify.verdict import Tier

TIERS: tuple[Tier, ...] = ("screen", "measure", "certify")
OPERATORS = (("rms_norm", "cpp"), ("softmax", "cpp"))
_WARM_UP, _CALLS, _TRIES = 10, 100, 5
_AGAIN = "TRUST_COST_RESTARTED"  # OpenMP reads its settings when it is loaded

BLOCK = """
import torch


def mlp_block(x, w, b):
    return torch.nn.functional.gelu(x @ w + b)
"""


def mlp_block(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.gelu(torch.nn.functional.linear(x, w.t(), b))


def block_inputs(workload: Workload, generator: torch.Generator) -> Inputs:
    m, n, k = (workload.axes[axis] for axis in "MNK")
    drawn = {"x": (m, k), "w": (k, n), "b": (n,)}
    return Inputs({name: torch.randn(shape, generator=generator) for name, shape in drawn.items()})


@dataclass(frozen=True)
class Case:
    """One candidate for one problem at one workload."""

    problem: Problem
    workload: Workload
    candidate: Candidate


def cases() -> list[Case]:
    found = []
    for name, impl in OPERATORS:
        problem = ops.get(name)
        workload = targets.choose_workloads(problem, None, "cpu")[0]
        found.append(Case(problem, workload, targets.operator_candidate(name, impl)))
    workload = Workload(name="512x1024x1024", axes={"M": 512, "N": 1024, "K": 1024})
    block = Problem(name="mlp_block", reference=mlp_block, inputs=block_inputs, workloads=(workload,))
    return [*found, Case(block, workload, Candidate(name="torch", source=BLOCK, entry="mlp_block"))]


def naive(case: Case) -> float:
    """Check and time the candidate as if it could be trusted; return the seconds that all of it took."""
    start = time.perf_counter()
    namespace: dict[str, Any] = {}
    exec(compile(case.candidate.source, "candidate.py", "exec"), namespace)
    candidate = namespace[case.candidate.entry]
    inputs = case.problem.make_inputs(case.workload, 0)
    right, given = case.problem.run(inputs), as_tuple(candidate(*inputs.args.values()))
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in zip(given, right, strict=True))
    times = []
    for _ in range(_WARM_UP + _CALLS):
        began = time.perf_counter()
        candidate(*inputs.args.values())
        times.append(time.perf_counter() - began)
    statistics.median(times[_WARM_UP:])
    return time.perf_counter() - start


def costs(case: Case, repetitions: int) -> dict[str, list[float]]:
    """Seconds of the naive check, of each tier, and of the first time through all tiers beyond a later one."""
    with Evaluator(case.problem, case.workload, device="cpu") as evaluator:
        evaluator.build(case.candidate)
        found: dict[str, list[float]] = {"naive": [], **{tier: [] for tier in TIERS}}
        first = sum(judged(evaluator, case.candidate, tier) for tier in TIERS)
        for _ in range(repetitions):
            found["naive"].append(naive(case))
            for tier in TIERS:
                found[tier].append(judged(evaluator, case.candidate, tier))
        found["first"] = [first - sum(statistics.median(found[tier]) for tier in TIERS)]
        return found


def judged(evaluator: Evaluator, candidate: Candidate, tier: Tier) -> float:
    """Seconds of one evaluation that passes; what a busy machine makes unstable is tried again."""
    for _ in range(_TRIES):
        start = time.perf_counter()
        record = evaluator.evaluate(candidate, tier)
        if record.passed:
            return time.perf_counter() - start
    raise SystemExit(f"{candidate.name} is {record.status}: {record.verdict.detail}; is the machine busy?")


def data_of(measured: list[tuple[Case, dict[str, list[float]]]]) -> dict[str, Any]:
    machine, load = detect("cpu"), os.getloadavg()[1]
    busy = ", while the machine had other work" if load > machine.cores + 1 else ""
    rows = []
    for case, found in measured:
        medians = {name: statistics.median(values) for name, values in found.items()}
        figures = [units.seconds(medians[name]) for name in ("naive", *TIERS)]
        ratio = units.times(medians["measure"] / medians["naive"])
        named = [case.problem.name, case.candidate.name, case.workload.name]
        rows.append([*named, *figures, ratio, units.seconds(max(0.0, medians["first"]))])
    return {
        "kind": "trust_cost",
        "caption": "Time of one candidate through each tier, compiling left out, and of a naive check in one process "
        f"(allclose, then {_CALLS} timed calls){busy}",
        "columns": ["operator", "impl", "workload", "naive", *TIERS, "measure over naive", "once: truths, children"],
        "rows": rows,
        "load_average": load,
        "samples_s": [found for _, found in measured],
        "source_digests": bench_rows.source_digests([case.problem for case, _ in measured], machine),
        "environment": environment(machine),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, help="write the result here as JSON")
    parser.add_argument("--only", default="", help="one operator, to try it")
    parser.add_argument("--repetitions", type=int, default=5, help="of every figure")
    options = parser.parse_args()
    keep_freed_memory()  # as the command line does, and so is this:
    if os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE") and not os.environ.get(_AGAIN):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, _AGAIN: "1"})
    chosen = [case for case in cases() if options.only in case.problem.name]
    text = json.dumps(data_of([(case, costs(case, options.repetitions)) for case in chosen]), indent=1)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
