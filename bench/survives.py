"""One search through everything that can go wrong: hostile candidates, and a kill in the middle.

Run: python bench/survives.py [-o bench/results/survives.json]

A search of SiLU times x is given a candidate that hangs, one that segfaults, one that eats memory, one that prints
100 MB and one that calls sys.exit, beside an honest one. A second process is killed with -9 once it has evaluated some
of them; another resumes its run. Recorded: what became of each, and that nothing was lost or evaluated twice.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from pathlib import Path

from tilewright.candidate import Candidate
from tilewright.device import environment
from tilewright.formats import load_problem
from tilewright.optimize import Settings, optimize, resume
from tilewright.optimize.history import replay
from tilewright.record import Store

PROBLEM = """
import torch
from torch import nn

class Model(nn.Module):
    def forward(self, x):
        return torch.nn.functional.silu(x) * x

def get_inputs():
    return [torch.randn(1024, 4096)]

def get_init_inputs():
    return []
"""
FIRST_CALL = {
    "hangs": "while True: pass",
    "segfaults": "ctypes.string_at(0)",
    "eats memory": "[torch.ones(1 << 28) for _ in range(99)]",
    "prints 100 MB": "[os.write(1, b'x' * (1 << 20)) for _ in range(100)]",
    "calls sys.exit": "sys.exit(0)",
    "is honest": "pass",
}
SOURCE = """
import ctypes, os, sys, torch
from torch import nn

done = []

class ModelNew(nn.Module):
    def forward(self, x):
        if not done:
            done.append(1)
            {line}
        return torch.nn.functional.silu(x).mul_(x)
"""


def candidates() -> list[Candidate]:
    made = ((name, textwrap.dedent(SOURCE).format(line=line)) for name, line in FIRST_CALL.items())
    return [Candidate(name=name, source=source, entry="ModelNew", kind="module") for name, source in made]


def search(folder: Path) -> None:
    (folder / "silu.py").write_text(PROBLEM)
    optimize(
        load_problem(str(folder / "silu.py")),
        out=folder / "run",
        budget_s=150.0,
        user=candidates(),
        settings=Settings(seed=1, proposers=("eager", "user", "rowwise"), max_evaluations=16),
    )


def kill_in_the_middle(folder: Path, after: int) -> int:
    """Start a search in another process and kill it with -9 once `after` evaluations are on disk; return how many."""
    process = subprocess.Popen([sys.executable, __file__, "--search-in", str(folder)])
    while process.poll() is None and evaluated(folder / "run") < after:
        time.sleep(0.1)
    if process.poll() is not None:
        raise SystemExit("the search ended before it could be killed")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return evaluated(folder / "run")


def evaluated(run: Path) -> int:
    if not (run / "run.sqlite").is_file():
        return 0
    with Store.open(run, write=False) as store:
        return len(store.events("evaluated"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, help="write the result here as JSON")
    parser.add_argument("--search-in", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search_in:
        search(options.search_in)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = kill_in_the_middle(folder, after=4)
        result = resume(folder / "run", budget_s=300.0)
        with Store.open(folder / "run", write=False) as store:
            history = replay(store)
            counts = Counter(event.key for event in store.events("evaluated"))
    statuses = {r.name: str(r.status) for r in history.records.values()}
    data = {
        "caption": f"A search killed with -9 after {before} evaluations and resumed: it ended as {result.status}, with "
        f"{result.best.candidate if result.best else 'nothing'} "
        f"{'certified' if result.best and result.best.certified else 'not certified'}; "
        f"{max(counts.values())} evaluation at most of any candidate.",
        "columns": ["candidate", "status"],
        "rows": [[name, statuses.get(name, "-")] for name in FIRST_CALL],
        "evaluated_before_the_kill": before,
        "most_evaluations_of_one_candidate": max(counts.values()),
        "result": result.status,
        "certified": bool(result.best and result.best.certified),
        "environment": environment(),
    }
    text = json.dumps(data, indent=1)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
