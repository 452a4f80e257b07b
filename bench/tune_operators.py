"""Measure an operator's settings on the GPU and write the best ones beside it, as `<op>.<arch>.json`.

Run: python bench/tune_operators.py rms_norm softmax [--kernels fwd bwd] [--sizes 4096 8192] [--write] [-o all.json]

Every configuration is compiled ahead on the CPU's cores, run, and compared with float64 before its time counts: its
relative error may be at most twice that of torch's own implementation in the same dtype. A wrong one is reported and
never written. Times are those of CUDA graphs of calls that rotate over inputs of several times the L2 cache, each
call with outputs of its own; the best few are timed again, interleaved. Fractions are of the copy rate of the same run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import torch

from tilewright import ops
from tilewright.build.triton import capture, cross_compile, distinct
from tilewright.candidate import CandidateError
from tilewright.ops._lib import settings
from tilewright.problem import Inputs, Workload, as_tuple

ROW_SIZES = (128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
ROW_ELEMENTS = 1 << 25  # of one matrix: 64 MiB of bfloat16, twice that for the longest rows
FINALISTS = 6
SHARED_BYTES = 208 << 10
Settings = dict[str, int]


@dataclass(eq=False)
class Subject:
    """One kernel of one operator at one size: how its arguments are made, how it is called, what is right."""

    op: str
    kernel: str
    axes: dict[str, int]
    bucket: dict[str, int]
    dtype: str
    bytes: int
    make: Callable[[str, int], tuple[Any, ...]]
    call: Callable[..., Any]
    right: Callable[..., Any]
    space: list[Settings]
    timed: list[tuple[float, Settings]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.op} {self.kernel} {' '.join(f'{k}={v}' for k, v in self.axes.items())}"


# ---- the kernels and their spaces -----------------------------------------------------------------------------------


def row_subjects(op: str, kernels: list[str], sizes: list[int]) -> Iterator[Subject]:
    """The forward and backward kernels of an operator over rows, at each length."""
    ops.module(op)  # registers what is called below
    offered = [kernel for name, kernel in ROW_CALLS if name == op]
    for kernel, N in itertools.product(kernels or offered, sizes or ROW_SIZES):
        M = (2 if N > 16384 else 1) * ROW_ELEMENTS // N
        make, call, right = ROW_CALLS[op, kernel]
        matrices = 3 if kernel == "bwd" else 2
        space = list(row_space(op, kernel, N))
        yield Subject(
            op, kernel, {"M": M, "N": N}, {"N": N}, "bfloat16", matrices * 2 * M * N,
            lambda device, seed, make=make, M=M, N=N: make(op, M, N, device, seed), call, right, space,
        )  # fmt: skip


def row_space(op: str, kernel: str, N: int) -> Iterator[Settings]:
    """Whole rows with 8 to 64 elements a thread, one program a tile or persistent, and long rows in blocks as well."""
    sums = (op, kernel) == ("rms_norm", "bwd")  # keeps sums of rows in registers, so it is persistent
    matrices = 1 if kernel == "fwd" else 2
    rows_tried = [r for r in (1, 2, 4, 8, 16, 32) if max(N, 1024) <= r * N <= max(N, 4096) or (r, N) == (2, 4096)]
    walks = [(1, 1), (2, 1), (2, 2), (1, 3), (2, 3), (4, 2)] if sums else [(1, 1)]
    persistent = (lambda waves, stages: {"waves": waves, "stages": stages}) if sums else lambda *_: {}
    for rows, warps, (waves, stages), hold in itertools.product(rows_tried, (1, 2, 4, 8, 16, 32), walks, (0, 1)):
        per_thread = rows * N // (32 * warps)
        staged = rows * N * 2 * matrices * (stages - 1) * waves
        most = 32 if matrices > 1 and (N <= 16384 or sums) else 64
        if 8 <= per_thread <= most and staged <= SHARED_BYTES and waves * warps <= 64:
            yield {"rows": rows, "warps": warps, "block": 0, "hold": hold, **persistent(waves, stages)}
    if N < 8192:
        return
    for block, warps in itertools.product((2048, 4096, 8192, 16384), (8, 16, 32)):
        if block < N and 4 <= block // (32 * warps) <= 32 and not (sums and warps < 16):
            for waves in (1, 2) if sums else (1,):
                yield {"rows": 1, "warps": warps, "block": block, "hold": 0, **persistent(waves, 1)}


def _drawn(op: str, M: int, N: int, device: str, seed: int) -> dict[str, Any]:
    """Inputs by the operator's own recipe, in distribution; drawn where they are used."""
    if device == "cpu":  # for recording launches: nothing reads them
        made = {"x": torch.empty(M, N, dtype=torch.bfloat16), "weight": torch.empty(N, dtype=torch.bfloat16)}
        return {**made, "grad": torch.empty(M, N, dtype=torch.bfloat16)}
    generator = torch.Generator(device).manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, device=device, dtype=torch.bfloat16)  # noqa: E731
    return {"x": draw(M, N) * (3 if op == "softmax" else 1), "weight": 1 + 0.25 * draw(N), "grad": draw(M, N)}


def _rms_fwd_args(op: str, M: int, N: int, device: str, seed: int) -> tuple[Any, ...]:
    drawn = _drawn(op, M, N, device, seed)
    return drawn["x"], drawn["weight"]


def _rms_bwd_args(op: str, M: int, N: int, device: str, seed: int) -> tuple[Any, ...]:
    drawn = _drawn(op, M, N, device, seed)
    if device == "cpu":
        return drawn["grad"], drawn["x"], drawn["weight"], torch.empty(M)
    rstd = torch.rsqrt(drawn["x"].float().square().mean(-1) + 1e-6)
    return drawn["grad"], drawn["x"], drawn["weight"], rstd


def _rms_bwd_right(grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, _: Any) -> Any:
    x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
    with torch.enable_grad():
        out = ops.rms_norm(x, weight, impl="reference")
    return torch.autograd.grad(out, (x, weight), grad)


def _softmax_bwd_args(op: str, M: int, N: int, device: str, seed: int) -> tuple[Any, ...]:
    drawn = _drawn(op, M, N, device, seed)
    return drawn["grad"], drawn["x"] if device == "cpu" else torch.softmax(drawn["x"], -1)


ROW_CALLS: dict[tuple[str, str], tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
    ("rms_norm", "fwd"): (
        _rms_fwd_args,
        lambda x, w: torch.ops.tilewright.rms_norm(x, w, None, 1e-6, "triton")[0],
        lambda x, w: ops.rms_norm(x, w, impl="reference"),
    ),
    ("rms_norm", "bwd"): (
        _rms_bwd_args,
        lambda g, h, w, rstd: torch.ops.tilewright.rms_norm_bwd(g, h, w, rstd, None, True, "triton"),
        _rms_bwd_right,
    ),
    ("softmax", "fwd"): (
        lambda *where: (_drawn(*where)["x"],),
        lambda x: torch.ops.tilewright.softmax(x, x.dtype, "triton"),
        lambda x: torch.softmax(x, -1),
    ),
    ("softmax", "bwd"): (
        _softmax_bwd_args,
        lambda g, y: torch.ops.tilewright.softmax_bwd(g, y, y.dtype, "triton"),
        lambda g, y: torch._softmax_backward_data(g, y, -1, y.dtype),
    ),
}


def workload_subjects(op: str, kernels: list[str], sizes: list[int]) -> Iterator[Subject]:
    """Any other operator: its forward kernels at its own workloads, over all of its declared space."""
    problem = ops.get(op)
    names = [p.name for p in problem.space.parameters]
    points = [dict(zip(names, v)) for v in itertools.product(*(p.values for p in problem.space.parameters))]
    space = [p for p in points if problem.space.allows(p)]
    for workload in problem.workloads:
        assert problem.cost is not None and problem.reference is not None
        work = problem.cost(workload)

        def make(device: str, seed: int, workload: Workload = workload) -> tuple[Any, ...]:
            call: Inputs = problem.make_inputs(workload, seed)
            return tuple(v.to(device) if isinstance(v, torch.Tensor) else v for v in call.args.values())

        for kernel in kernels or ["fwd"]:
            yield Subject(
                op, kernel, dict(workload.axes), dict(workload.axes), workload.dtype,
                work.bytes_read + work.bytes_written, make, problem.impls["triton"], problem.reference, space,
            )  # fmt: skip


# ---- compiling ahead ------------------------------------------------------------------------------------------------

_subjects: list[Subject] = []  # forked workers find them here; callables do not travel


def compile_ahead(index: int, point: Settings, target: str) -> tuple[int, Settings, str]:
    """Compile what the call launches with these settings into Triton's cache; the reason why not, or ""."""
    torch.set_num_threads(1)
    subject = _subjects[index]
    arguments = subject.make("cpu", 0)
    try:
        with settings.trial(subject.op, subject.kernel, point), torch.no_grad():
            launches = distinct(capture(lambda: subject.call(*arguments), target=target))
        facts = [cross_compile(launch, target) for launch in launches]
    except CandidateError as error:
        return index, point, f"does not compile: {error.detail}"
    spilling = [f for f in facts if f.spills > 32 or not f.fits]
    return index, point, f"spills {spilling[0].spills}, fits {spilling[0].fits}" if spilling else ""


# ---- running and timing ---------------------------------------------------------------------------------------------


def relative_error(outputs: Any, right: Any) -> float:
    """The largest relative Frobenius error over outputs; NaN stays NaN."""
    pairs = zip(as_tuple(outputs), as_tuple(right), strict=True)
    return max(float((o.double() - r).norm() / r.norm()) for o, r in pairs)


class Bench:
    """The inputs of one subject on the GPU, their truth, and the clock."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        l2_bytes = torch.cuda.get_device_properties(0).L2_cache_size
        slots = max(6, -(-6 * l2_bytes // subject.bytes))
        self.slots = [subject.make("cuda", 1000 + s) for s in range(slots)]
        first = self.slots[0]
        wide = [a.double() if isinstance(a, torch.Tensor) and a.is_floating_point() else a for a in first]
        self.right = subject.right(*wide)
        self.allowed = 2 * relative_error(subject.right(*first), self.right)
        self.calls = slots * max(1, min(2, int(1e-3 / (slots * subject.bytes / 4e12))))

    def graph(self, point: Settings) -> tuple[Any, list[Any]]:
        """Check the settings eagerly on fresh memory, then record `calls` calls. ValueError names a wrong result."""
        subject = self.subject
        with settings.trial(subject.op, subject.kernel, point), torch.no_grad():
            outputs = subject.call(*self.slots[0])
            for output in as_tuple(outputs):
                output.fill_(float("nan"))
            del outputs  # the next call is given this memory
            error = relative_error(subject.call(*self.slots[0]), self.right)
            if not error <= self.allowed:
                raise ValueError(f"relative error {error:.3g}, allowed {self.allowed:.3g}")
            graph, kept = torch.cuda.CUDAGraph(), []
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                kept = [subject.call(*self.slots[i % len(self.slots)]) for i in range(self.calls)]
        graph.replay()
        return graph, kept

    def check(self, kept: list[Any]) -> None:
        error = relative_error(kept[len(self.slots) if len(kept) > len(self.slots) else 0], self.right)
        if not error <= self.allowed:
            raise ValueError(f"after replays: relative error {error:.3g}, allowed {self.allowed:.3g}")

    def time_s(self, graph: Any) -> float:
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3 / self.calls


def copy_rate() -> float:
    """Bytes per second of copying 1 GiB, read and written: the best of torch's copies."""
    source = torch.randint(0, 255, (1 << 30,), dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    times = []
    for _ in range(12):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        target.copy_(source)
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return 2 * source.nbytes / statistics.median(times[2:])


def measure(subject: Subject, ready: list[Settings], rate: float) -> list[dict[str, Any]]:
    """Time every configuration that is right, and the best again, interleaved. Returns rows, the best first."""
    bench = Bench(subject)
    rows = []
    for point in ready:
        try:
            graph, kept = bench.graph(point)
            bench.check(kept)
            rows.append({"settings": point, "time_s": statistics.median(bench.time_s(graph) for _ in range(5))})
            del graph, kept
        except ValueError as error:
            print(f"WRONG {subject.name} {point}: {error}", file=sys.stderr)
        except (RuntimeError, CandidateError) as error:  # out of resources, refused by the driver, no compiler
            print(f"failed {subject.name} {point}: {str(error).splitlines()[0][:200]}", file=sys.stderr)
    rows.sort(key=lambda row: row["time_s"])
    finals = [(row, *bench.graph(row["settings"])) for row in rows[:FINALISTS]]
    samples: list[list[float]] = [[] for _ in finals]
    for _ in range(21):
        for i, (_, graph, _) in enumerate(finals):
            samples[i].append(bench.time_s(graph))
    for (row, _, _), times in zip(finals, samples, strict=True):
        row["time_s"], row["final"] = statistics.median(times), True
    rows.sort(key=lambda row: (not row.get("final"), row["time_s"]))
    for row in rows:
        row["fraction_of_copy"] = subject.bytes / row["time_s"] / rate
    return rows


# ---- the whole ------------------------------------------------------------------------------------------------------


def tune(subjects: list[Subject], workers: int, log: Callable[[str], None]) -> dict[str, Any]:
    """Compile everything on `workers` processes, and measure each subject once all of it is there."""
    _subjects[:] = subjects
    started = time.perf_counter()
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork"))
    waiting = {pool.submit(compile_ahead, i, p, "sm_90"): i for i, s in enumerate(subjects) for p in s.space}
    left = [len(s.space) for s in subjects]
    ready: list[list[Settings]] = [[] for _ in subjects]
    results: dict[str, Any] = {}
    rate = 0.0
    for done in as_completed(waiting):
        index, point, why_not = done.result()
        left[index] -= 1
        if why_not:
            print(f"skipped {subjects[index].name} {point}: {why_not}", file=sys.stderr)
        else:
            ready[index].append(point)
        if left[index] == 0:
            rate = rate or copy_rate()
            subject, began = subjects[index], time.perf_counter()
            rows = measure(subject, ready[index], rate)
            results[subject.name] = rows
            if not rows:
                log(f"{subject.name}: no configuration is right")
                continue
            log(
                f"{subject.name}: {1e6 * rows[0]['time_s']:.1f} us, {rows[0]['fraction_of_copy']:.1%} of copy, "
                f"{rows[0]['settings']}; {len(rows)} of {len(subject.space)} in {time.perf_counter() - began:.1f} s"
            )
            torch.cuda.empty_cache()
    pool.shutdown()
    log(f"copy {rate / 1e12:.3f} TB/s; {len(waiting)} configurations in {time.perf_counter() - started:.0f} s")
    return {"copy_bytes_per_s": rate, "subjects": results}


def settings_file(op: str, subjects: list[Subject], found: dict[str, Any]) -> dict[str, Any]:
    """What `<op>.<arch>.json` holds: the best settings of each subject, with what they measured."""
    import triton

    entries = []
    for subject in (s for s in subjects if s.op == op and found["subjects"].get(s.name)):
        best = found["subjects"][subject.name][0]
        entries.append({
            "kernel": subject.kernel, "dtype": subject.dtype, "axes": subject.bucket, "settings": best["settings"],
            "measured_at": subject.axes, "time_us": round(1e6 * best["time_s"], 2),
            "fraction_of_copy": round(best["fraction_of_copy"], 4),
        })  # fmt: skip
    major, minor = torch.cuda.get_device_capability()
    return {
        "op": op, "arch": f"sm{major}{minor}", "origin": "measured", "device": torch.cuda.get_device_name(),
        "date": date.today().isoformat(), "torch": torch.__version__, "triton": triton.__version__,
        "cuda": torch.version.cuda, "copy_bytes_per_s": round(found["copy_bytes_per_s"]), "entries": entries,
    }  # fmt: skip


def write_settings(path: Path, data: dict[str, Any]) -> None:
    """Write one entry a line; entries of other kernels and sizes that the file has already are kept."""
    key = lambda e: (e["kernel"], e.get("dtype"), json.dumps(e["axes"]))  # noqa: E731
    fresh = {key(e) for e in data["entries"]}
    old = json.loads(path.read_text()) if path.exists() else {}
    if old.get("origin") == "measured":
        data["entries"] += [e for e in old["entries"] if key(e) not in fresh]
    data["entries"].sort(key=lambda e: (e["kernel"], list(e["axes"].values())))
    head = ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in data.items() if k != "entries")
    lines = ",\n".join(f"  {json.dumps(entry)}" for entry in data["entries"])
    path.write_text(f'{{\n{head},\n "entries": [\n{lines}\n ]\n}}\n')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ops", nargs="+", choices=ops.names())
    parser.add_argument("--kernels", nargs="*", default=[], help="kernels as settings name them (default: all)")
    parser.add_argument("--sizes", nargs="*", type=int, default=[], help="lengths of rows (default: 128 to 32768)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", type=Path, nargs="?", const=settings.OPS_FOLDER, help="write <op>.<arch>.json here")
    parser.add_argument("-o", "--out", type=Path, help="every configuration's time, as JSON")
    given = parser.parse_args()
    subjects: list[Subject] = []
    for op in given.ops:
        of = row_subjects if (op, "fwd") in ROW_CALLS else workload_subjects
        subjects += of(op, given.kernels, given.sizes)
    found = tune(subjects, given.workers, lambda line: print(line, flush=True))
    if given.out:
        given.out.write_text(json.dumps(found, indent=1))
    for op in given.ops if given.write else ():
        data = settings_file(op, subjects, found)
        write_settings(given.write / f"{op}.{data['arch']}.json", data)


if __name__ == "__main__":
    main()
