"""How fast is the tool itself: evaluations a minute in the search loop, and the parent's share of the time.

Run: python bench/tool_speed.py [-o bench/results/cpu/tool_speed.json]

Generated C++ candidates of a softmax with a scale over 16 MB of float32 are built, judged and timed one after another,
as the search does it. The parent's overhead is the wall time that is neither a compiler's nor spent waiting for the
child: for its answers, or for it to come to rest before a block (`rest_share`). `check` is timed from its call to its
record, for a pair at 64 x 256.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tilewright.candidate import Candidate, Status
from tilewright.child.process import Child
from tilewright.device import detect, environment
from tilewright.evaluate import Evaluator
from tilewright.formats import load_problem
from tilewright.heap import collect_rarely, keep_freed_memory
from tilewright.optimize.rowwise import generate

PROBLEM = """
import torch
from torch import nn

class Model(nn.Module):
    def forward(self, x):
        return torch.softmax(x * 0.7, dim=-1)

def get_inputs():
    return [torch.randn({rows}, {columns})]

def get_init_inputs():
    return []
"""
_AGAIN = "TOOL_SPEED_RESTARTED"  # OpenMP reads its settings when it is loaded
WINDOW = 4  # builds that run side by side before their candidates are timed


def points(root: Candidate) -> itertools.chain[Candidate]:
    """Every allowed setting of `root`, the default first."""
    names = [p.name for p in root.space.parameters]
    every = itertools.product(*(p.values for p in root.space.parameters))
    allowed = (dict(zip(names, values, strict=True)) for values in every)
    return itertools.chain([root], (root.with_params(p) for p in allowed if root.space.allows(p)))


def problem_file(folder: Path, rows: int, columns: int) -> Path:
    path = folder / f"softmax_{rows}x{columns}.py"
    path.write_text(PROBLEM.format(rows=rows, columns=columns))
    return path


def loop(folder: Path, seconds: float) -> dict[str, float]:
    problem = load_problem(str(problem_file(folder, 1024, 4096)))
    with Evaluator(problem) as evaluator, ThreadPoolExecutor(2) as pool:
        root = generate(problem, problem.workloads[0])
        evaluator.evaluate(root)  # the truths are made once per run
        queue, done, unstable, build_s, best_s = points(root), 0, 0, 0.0, None
        children = {id(child): child for child in evaluator.children.kept}  # each is replaced after a while
        before = spent(children.values())
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            window = list(itertools.islice(queue, WINDOW))
            began = time.perf_counter()
            list(pool.map(evaluator.build, window))
            build_s += time.perf_counter() - began
            for candidate in window:
                record = evaluator.evaluate(candidate, stop_above_s=None if best_s is None else 1.5 * best_s)
                children |= {id(child): child for child in evaluator.children.kept}
                done += 1
                if record.status is Status.UNSTABLE:  # an evaluation all the same; the search measures such again
                    unstable += 1
                    continue
                assert record.passed, record.verdict
                best_s = min(best_s or record.median_s, record.median_s)
        wall_s = time.perf_counter() - start
        waited_s, rested_s = (now - then for now, then in zip(spent(children.values()), before, strict=True))
        overhead = (wall_s - build_s - waited_s - rested_s) / wall_s
    return {"evaluations_per_minute": 60 * done / wall_s, "parent_overhead": overhead, "rest_share": rested_s / wall_s,
            "evaluations": done, "unstable": unstable, "build_share": build_s / wall_s, "wall_s": wall_s}  # fmt: skip


def spent(children: Iterable[Child]) -> tuple[float, float]:
    """Seconds that were spent waiting for `children` to answer, and to come to rest."""
    children = list(children)
    return sum(child.waited_s for child in children), sum(child.rested_s for child in children)


def small_check(folder: Path) -> float:
    problem = load_problem(str(problem_file(folder, 64, 256)))
    source = problem.source.replace("class Model(", "class ModelNew(")
    candidate = Candidate(name="pair", source=source, entry="ModelNew", kind="module")
    start = time.perf_counter()
    with Evaluator(problem) as evaluator:
        record = evaluator.evaluate(candidate)
        assert record.passed, record.verdict
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, help="write the result here as JSON")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the loop")
    options = parser.parse_args()
    collect_rarely()  # as the command line does, and so are these:
    keep_freed_memory()
    if os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE") and not os.environ.get(_AGAIN):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, _AGAIN: "1"})
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        result = loop(Path(folder), options.seconds) | {"small_check_s": small_check(Path(folder))}
    text = json.dumps(
        {"kind": "tool_speed", **result, "device": json.loads(detect("cpu").to_json()), "environment": environment()},
        indent=1,
    )
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
