"""What a faulty candidate on a GPU costs the one after it: nothing. A healthy kernel alone, then after each fault.

Run: python bench/gpu_isolation.py -o bench/results/h200/isolation.json

One evaluator with one persistent child; after a fault the next candidate gets a fresh one. The healthy kernel must have
the same verdict and the same time, within the noise of two measurements.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from tilewright import bench_rows, ops, targets, units
from tilewright.candidate import Candidate
from tilewright.device import detect, environment
from tilewright.evaluate import Evaluator
from tilewright.problem import Workload

ENTRY = "def rms_norm(x, w, residual=None, eps=1e-6):\n"
FAULTS = {
    "an illegal access": (
        "import torch, triton\nimport triton.language as tl\n\n\n@triton.jit\ndef far(out, offset):\n"
        "    tl.store(out + offset + tl.arange(0, 128), 1.0)\n\n\n"
        f"{ENTRY}    out = torch.empty_like(x)\n    far[(1,)](out, 1 << 44)\n    return out\n"
    ),
    "a kernel that never ends": f"import torch\n{ENTRY}    torch.cuda._sleep(10**14)\n    return x * 1\n",
    "all memory taken": (
        f"import torch\nkept = []\n{ENTRY}    while True: kept.append(torch.empty(1 << 30, device='cuda'))\n"
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, help="write the result here as JSON")
    options = parser.parse_args()
    machine = detect("cuda")
    workload = Workload(name="8192x4096", axes={"M": 8192, "N": 4096}, dtype="bfloat16")
    healthy = targets.operator_candidate("rms_norm", "triton")
    shown: list[list[str]] = []

    def row(name: str, candidate: Candidate, **limits: Any) -> None:
        begun = time.perf_counter()
        record = evaluator.evaluate(candidate, **limits)
        seconds = time.perf_counter() - begun
        time_s = record.median_s if record.passed else None
        detail = record.verdict.detail[:160]
        shown.append([name, str(record.status), units.seconds(time_s), units.seconds(seconds), detail])
        print("  ".join(shown[-1]), flush=True)

    with Evaluator(ops.get("rms_norm"), workload, device=machine) as evaluator:
        row("healthy, alone", healthy)
        for name, source in FAULTS.items():
            row(name, Candidate(name=name, source=source, entry="rms_norm"), timeout_s=20)
            row("healthy, right after", healthy)
    data = {
        "caption": "A healthy kernel alone and right after candidates that fail on the GPU.",
        "columns": ["candidate", "verdict", "median", "evaluation took", "said"],
        "rows": shown,
        "environment": environment(machine),
        "source_digests": bench_rows.source_digests([ops.get("rms_norm")], machine),
    }
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
