"""How far the ways to time a GPU kernel lie apart, and what the timers of others say of the same kernels.

Run: python bench/gpu_timers.py -o bench/results/h200 [--kernelbench timing.py]

First kernels of known length, from 2 us to 10 ms, by five methods (tilewright.measure.timers): bias against CUPTI's
record of the kernel, and noise. Then real operations, whose inputs lie in the cache after the first call and in memory
when others come between: this package's clock (cold: inputs rotated through three times the cache) beside
`triton.testing.do_bench` and, with its file `timing.py`, KernelBench's default timer, all in the same minute.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import triton.testing

from tilewright import units
from tilewright.device import detect, environment
from tilewright.device.replay import capture
from tilewright.measure import timers

_ROTATED_BYTES = 3 * (60 << 20)
_PAUSE_S, _SAMPLES = 0.025, 9
_MOST_SETS = 4096
OPERATIONS: dict[str, tuple[Callable[..., torch.Tensor], tuple[tuple[int, ...], ...]]] = {
    "add 16x1024": (torch.add, ((16, 1024), (16, 1024))),
    "add 1024x4096": (torch.add, ((1024, 4096), (1024, 4096))),
    "softmax 4096x4096": (lambda x: torch.softmax(x, -1), ((4096, 4096),)),
    "add 16384x8192": (torch.add, ((16384, 8192), (16384, 8192))),
    "matmul 1024^3": (torch.matmul, ((1024, 1024), (1024, 1024))),
    "matmul 8192^3": (torch.matmul, ((8192, 8192), (8192, 8192))),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, required=True, help="the folder for the two results")
    parser.add_argument("--kernelbench", type=Path, help="KernelBench's timing.py, to time with it as well")
    options = parser.parse_args()
    machine = detect("cuda")
    options.out.mkdir(parents=True, exist_ok=True)
    common = {"environment": environment(machine)}
    with torch.no_grad():
        write(options.out / "timers.json", bias_table() | common)
        write(options.out / "timers_of_others.json", others_table(options.kernelbench) | common)


def write(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1) + "\n")
    for row in (data["columns"], *data["rows"]):
        print("  ".join(row), file=sys.stderr, flush=True)


def bias_table() -> dict[str, Any]:
    rows, raw = [], []
    for length_s, found in timers.self_test().items():
        kernel_s = found["activity"].median_s
        row = [units.seconds(length_s), f"{units.seconds(kernel_s)} ±{found['activity'].noise:.1%}"]
        for method in timers.METHODS[1:]:
            bias_s = found[method].median_s - kernel_s
            trust = "" if timers.is_trusted(found, method) else " (not trusted)"
            row.append(f"{bias_s * 1e6:+.2f} us ±{found[method].noise:.1%}{trust}")
        rows.append(row)
        raw.append({m: {"median_s": t.median_s, "noise": t.noise} for m, t in found.items()})
    return {
        "caption": "Kernels that only count cycles, by five methods: CUPTI's record of the kernel, and how much more "
        "the others say; ± is the spread of the middle half.",
        "columns": ["length", *timers.METHODS],
        "rows": rows,
        "raw": raw,
    }


def others_table(kernelbench: Path | None) -> dict[str, Any]:
    theirs = loaded(kernelbench) if kernelbench else None
    rows = []
    for name, (operation, shapes) in OPERATIONS.items():
        sets = rotated(shapes)
        first = functools.partial(operation, *sets[0])
        warm_s, cold_s = ours([first]), ours([functools.partial(operation, *one) for one in sets])
        bench_s = statistics.median(triton.testing.do_bench(first, return_mode="all")) / 1e3
        row = [name, units.seconds(cold_s), units.seconds(warm_s), units.seconds(bench_s), f"{bench_s / cold_s:.2f}x"]
        if theirs is not None:
            said = theirs.time_execution_with_cuda_event(operation, list(sets[0]), verbose=False)
            kb_s = statistics.fmean(said) / 1e3
            row += [units.seconds(kb_s), f"{kb_s / cold_s:.2f}x"]
        rows.append(row)
    columns = ["bf16 operation", "cold", "warm", "do_bench", "do_bench over cold"]
    return {
        "caption": "The same operations by this package's clock (graphs, cool; cold: inputs rotated through three "
        "times the cache; warm: one set of inputs) and by others, in one run.",
        "columns": columns + ["KernelBench", "KernelBench over cold"] * (theirs is not None),
        "rows": rows,
    }


def rotated(shapes: tuple[tuple[int, ...], ...]) -> list[tuple[torch.Tensor, ...]]:
    one = sum(torch.Size(s).numel() for s in shapes) * 2
    count = max(2, min(_MOST_SETS, -(-_ROTATED_BYTES // one)))
    return [tuple(torch.randn(s, device="cuda", dtype=torch.bfloat16) for s in shapes) for _ in range(count)]


def ours(operations: list[Callable[[], object]]) -> float:
    """Seconds of a call; every call of the graph has an output of its own."""
    kept: list[object] = []
    calls = [functools.partial(_kept, kept, one) for one in operations]
    return capture(calls, 5e-4, torch.cuda.Stream()).seconds_per_call(_SAMPLES, _PAUSE_S).call_s


def _kept(kept: list[object], operation: Callable[[], object]) -> None:
    kept.append(operation())


def loaded(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("kernelbench_timing", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
