"""The public functions: check, bench, optimize, validate, and what the command line needs beside them.

Each takes plain values, answers with one Noun that has exactly the keys of `--json`, and raises InputError (exit code
2) or MachineError (3) with one line for the user. No signal handler is set and no event loop is used, so they work in
a notebook and from threads that are not the main one.
"""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from . import baselines as known_baselines
from . import bench_rows, bench_scores, bench_stored, check_rows, device_rows, formats, ops, targets
from .build import ToolMissing
from .build.cpp import CompileError
from .candidate import CandidateError, Status
from .child import probes
from .child.values import Unsendable
from .device import Device, DeviceUnavailable, calibrate, detect, environment
from .device.machine import available_memory_bytes, gpus_like
from .evaluate import CannotDo
from .formats import LOAD_TIMEOUT_S, InputError, MachineError
from .formats._trace_written import refuse_others, write_traces
from .problem import Problem, Workload
from .profile.nouns import ProfileResult
from .record import StoreError
from .report.files import why_no_png
from .results import (
    PASSED,
    BenchResult,
    BenchRow,
    CheckResult,
    ComparisonResult,
    ExportResult,
    OperatorResult,
    OperatorsResult,
    ProfileComparison,
    ReportResult,
    ValidationResult,
)
from .trace_rows import traced
from .verify.verdict import Tier

_BENCHED = 3  # workloads of each problem, unless more are asked for
TIERS = ("screen", "measure", "certify")

Say = Callable[[str], None]
P = ParamSpec("P")
T = TypeVar("T")


def _answers(function: Callable[P, T]) -> Callable[P, T]:
    """Turn what the layers below raise about input and machine into InputError and MachineError."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (DeviceUnavailable, CannotDo, ToolMissing) as error:
            raise MachineError(str(error)) from error
        except CompileError as error:
            raise MachineError(str(error)) from error
        except (StoreError, Unsendable) as error:
            raise InputError(str(error)) from error

    return wrapped


@_answers
def check(
    target: str,
    problem: str | None = None,
    *,
    tier: str | None = None,
    device: str = "auto",
    target_archs: Sequence[str] = (),
    replay: int | None = None,
    allow_weak_sandbox: bool = False,
    load_timeout_s: float = LOAD_TIMEOUT_S,
    trace: str | Path | None = None,
) -> CheckResult:
    """Judge the kernel that `target` names against the reference of its problem in float64.

    `tier` is screen, measure or certify, by default certify on one workload for a file of yours and measure for the
    library's own; but in screen, what passes is timed too. `replay` is the seed of an earlier check; `target_archs` are
    GPUs to cross-compile Triton kernels for ("sm_90", "gfx942"), with their compile facts in the result. `trace`
    is a file to append a line to for each workload, in the format of FlashInfer-Bench or SOL-ExecBench.
    """
    if tier is not None and tier not in TIERS:
        raise InputError(f"there is no tier {tier!r}; choose one of {', '.join(TIERS)}")
    _check_archs(target_archs)
    probes.use()  # what imports torch while the files are read
    machine = _device(device)
    found = targets.resolve(target, problem, load_timeout_s)
    if not found.candidates:
        raise InputError(f"{target} is a problem; check a candidate for it: tilewright check KERNEL --problem {target}")
    found = targets.only(found, targets.CHECKED_ON[machine.kind], machine.kind, "ask for another --device")
    _refuse_unknown_invariants(found.problem)
    if trace is not None:
        refuse_others(found.problem)
    records, facts = [], []
    wanted = cast("Tier | None", tier)
    for candidate in found.candidates:
        records += check_rows.judge(found.problem, candidate, machine, wanted, replay, allow_weak_sandbox)
        facts += check_rows.facts_of(found.problem, candidate, target_archs)
    if trace is not None:
        lines = traced(found.problem, machine, records)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        write_traces(Path(trace), found.problem, lines, environment(machine), now)
    return check_rows.result_of(target, found.problem, machine, records, facts)


@_answers
def bench(
    targets_: str | Sequence[str],
    workload: str | None = None,
    baselines: Sequence[str] = ("eager", "compile"),
    *,
    problem: str | None = None,
    device: str = "auto",
    out: str | Path | None = None,
    load_timeout_s: float = LOAD_TIMEOUT_S,
    progress: Say | None = None,
) -> BenchResult:
    """Time what `targets_` name, each verified first, paired and interleaved with `baselines` in fresh processes.

    `workload` is one by name, "all", or None for those that suit the device. With `out`, the result is also written
    to out/bench.json, which `compare` reads, and as a page to out/bench.html with its pictures: after every workload,
    so that what was measured outlives a stop.
    """
    for name in baselines:
        if name not in known_baselines.names():
            raise InputError(f"there is no baseline {name!r}; choose from {', '.join(known_baselines.names())}")
    probes.use()
    machine = _device(device)
    names = [targets_] if isinstance(targets_, str) else list(targets_)
    resolved = [targets.resolve(name, problem, load_timeout_s) for name in names]
    why = "it is verified by: tilewright check"
    rows: list[BenchRow] = []
    notes: list[str] = []
    timed = [targets.only(r, targets.TIMED_ON[machine.kind], machine.kind, why) for r in resolved]
    planned = [_without_reference(t, baselines) for t in timed]
    workloads = [targets.choose_workloads(p.problem, workload, machine.kind) for p in planned]
    if workload is None:
        workloads = [chosen[:_BENCHED] for chosen in workloads]
    folder = None if out is None else _folder(out)
    machine = _measured_device(device, progress)
    digests = bench_rows.source_digests((p.problem for p in planned), machine)
    about: dict[str, Any] = {"environment": environment(machine), "source_digests": digests}
    jobs = [(found, one) for found, chosen in zip(planned, workloads, strict=True) for one in chosen]
    if workload is None:
        notes = [_left_out(found.problem, chosen) for found, chosen in zip(planned, workloads, strict=True)]
    result = BenchResult(rows=(), **about)
    for done, (found, one) in enumerate(jobs, 1):
        _say(progress, f"{found.name} on {one.name}")
        rows += bench_rows.rows_of(found.problem, one, found.candidates, baselines, machine, say=progress)
        to_do = (
            [f"unfinished: {len(jobs) - done} of {len(jobs)} workloads are not measured"] if done < len(jobs) else []
        )
        said = (*filter(None, notes), *to_do)
        result = BenchResult(rows=tuple(rows), scores=bench_scores.scored(rows), notes=said, **about)
        if folder is not None:
            bench_stored.store(result, folder)
    if folder is not None and (why := why_no_png()):
        _say(progress, why)
    return result


def _left_out(problem: Problem, chosen: Sequence[Workload]) -> str:
    left = len(problem.workloads) - len(chosen)
    return f"{problem.name}: {left} more workloads with --workload all" if left else ""


@_answers
def optimize(
    target: str | None = None,
    problem: str | None = None,
    *,
    budget: str | float | None = None,
    strategy: str | None = None,
    proposer: str | Sequence[str] | None = None,
    workload: str | None = None,
    workers: str | int = "auto",
    device: str = "auto",
    out: str | Path | None = None,
    resume: str | Path | None = None,
    allow_weak_sandbox: bool = False,
    load_timeout_s: float = LOAD_TIMEOUT_S,
    started_s: float | None = None,
    progress: Say | None = None,
) -> Any:
    """Search for the fastest verified kernel for `target`, or go on with the run `resume`; returns optimize.Result.

    `budget` ("60s", the default, "10m", or seconds) counts from `started_s` (time.monotonic), by default from now; with
    `resume` it replaces the run's own, of which a part is spent. The run's folder
    `out` (default: tilewright-runs/NAME-TIME) keeps every event, best.py, result.json and report.html. `workers` is the
    number of GPUs that evaluate beside each other, by default all of one kind; the finals are timed on the first.
    """
    from . import search_run

    started_s = time.monotonic() if started_s is None else started_s
    if str(workers) != "auto" and not re.fullmatch(r"[1-9]\d*", str(workers)):
        raise InputError(f"workers={workers!r}: give auto, or how many GPUs evaluate beside each other")
    if resume is not None:
        budget_s = None if budget is None else seconds(budget)
        return search_run.go_on(resume, budget_s, started_s, allow_weak_sandbox, progress)
    if target is None:
        raise InputError("optimize needs a target, or resume=RUN")
    probes.use()
    budget_s, machine = seconds(budget or "60s"), _device(device)
    kind, gpus = machine.kind, _gpus(device, machine, str(workers))
    found = targets.resolve(target, problem, load_timeout_s)
    chosen = targets.choose_workloads(found.problem, workload, kind)[0]
    user = () if formats.split_operator(target) == (target, "") else found.candidates  # an operator is found anyway
    if user:
        user = targets.only(found, targets.TIMED_ON[kind], kind, "tilewright check judges it").candidates
    _measured_device(device, progress)
    names = proposer.split(",") if isinstance(proposer, str) else proposer
    return search_run.begin(
        found.problem,
        chosen,
        user,
        folder=Path(out) if out else Path("tilewright-runs", f"{found.problem.name}-{time.strftime('%Y%m%d-%H%M%S')}"),
        budget_s=budget_s,
        strategy=strategy,
        proposers=tuple(n.strip() for n in names) if names else None,
        device=f"cuda:{machine.index}" if kind == "cuda" else kind,
        gpus=gpus,
        started_s=started_s,
        allow_weak_sandbox=allow_weak_sandbox,
        progress=progress,
    )


@_answers
def profile(
    target: str | Path | Callable[..., Any],
    *args: Any,
    arguments: Sequence[str] = (),
    warmup: int = 3,
    runs: int = 5,
    save_problems: str | Path | None = None,
    out: str | Path | None = None,
    progress: Say | None = None,
) -> ProfileResult:
    """Rank the operators, modules and kernels of a run by the time that the machine's limits leave to recover.

    `target` is a callable, called here as target(*args), or a script, which runs in a process of its own with
    `arguments`: its run() if it defines one, else all of it, once and cold. A callable and run() are called `warmup`
    times first, and `runs` times under the profiler. `save_problems` is a folder for problem files of the modules that
    were seen; `out` one for profile.json, profile.html, and the trace of torch.profiler. Raises what a callable raises.
    """
    from .profile import ranking, recorder, saving, script

    if warmup < 0 or runs < 1:
        raise InputError(f"warmup={warmup}, runs={runs}: warm up 0 times or more, and run at least once")
    folder = _folder(out) if out is not None else None
    trace = folder / saving.TRACE_FILE if folder else None
    wanted = save_problems is not None
    if callable(target):
        name, mode = getattr(target, "__name__", type(target).__name__), "callable"
        call = functools.partial(target, *args)
        say = progress or (lambda _: None)
        found = recorder.record(call, warmup=warmup, runs=runs, problems=wanted, trace=trace, say=say)
    else:
        name, mode = str(target), script.mode_of(str(target))
        found = script.record_script(name, arguments, warmup=warmup, runs=runs, problems=wanted, trace=trace)
    if not found.run.calls and not found.run.kernels:
        raise InputError(f"{name} ran no operator of torch; profile looks at torch operators and their kernels")
    machine = _measured_device("cpu" if found.cuda is None else f"cuda:{found.cuda}", progress)
    result = ranking.result_of(found, machine, name, cast("ranking.Mode", mode))
    if save_problems is not None:
        result = saving.save_problems(result, found, _folder(save_problems))
    if folder is not None:
        saving.store(result, folder)
    return result


@_answers
def validate(
    problem: str,
    *,
    load_timeout_s: float = LOAD_TIMEOUT_S,
    limit_s: float = math.inf,
    seed: int = 0,
    progress: Say | None = None,
) -> ValidationResult:
    """Say whether `problem` tells right from wrong: degenerate answers and mutated references must all fail on it.

    What would begin after `limit_s` seconds is left out, and a note says so. `progress` is told what is done next, for
    the first time when the problem has been read."""
    from .verify import validation

    end_s = time.monotonic() + limit_s
    posed = formats.load_problem(problem, load_timeout_s)
    _refuse_unknown_invariants(posed)
    workloads = targets.choose_workloads(posed, None, "cpu")
    limit_bytes = available_memory_bytes() // 2

    def say(stage: str) -> None:
        _say(progress, f"{posed.name}: {stage}")

    try:
        say("the memory that it needs")
        found = [
            validation.validate(posed, w, seed, limit_bytes, say, max(0.0, end_s - time.monotonic())) for w in workloads
        ]
    except validation.TooLarge as error:
        raise MachineError(str(error)) from error
    except CandidateError as error:
        if error.status is not Status.INVALID_REFERENCE:
            raise
        return _invalid(posed.name, workloads, error.detail)
    weak = tuple(f"{f.workload.name}: {point}" for f in found for point in f.weak)
    return ValidationResult(
        status=str(Status.WEAK_PROBLEM) if weak else PASSED,
        problem=posed.name,
        workloads=tuple(w.name for w in workloads),
        weaknesses=weak,
        detail="it accepts wrong answers: " + "; ".join(weak) if weak else "",
        notes=tuple(f"{f.workload.name}: {note}" for f in found for note in f.notes),
        mutants=sum(f.mutants for f in found),
        mutants_tried=sum(f.tried for f in found),
        mutants_rejected=sum(f.rejected for f in found),
    )


def _refuse_unknown_invariants(problem: Problem) -> None:
    from .verify.invariants import refuse_unknown

    try:
        refuse_unknown(problem)
    except CandidateError as error:
        raise InputError(error.detail) from None


def _invalid(name: str, workloads: Sequence[Workload], detail: str) -> ValidationResult:
    return ValidationResult(
        status=str(Status.INVALID_REFERENCE), problem=name, workloads=tuple(w.name for w in workloads), detail=detail,
        weaknesses=(detail,),
    )  # fmt: skip


@_answers
def export(
    candidate: str,
    problem: str | None = None,
    *,
    to: str,
    out: str | Path | None = None,
    load_timeout_s: float = LOAD_TIMEOUT_S,
) -> ExportResult:
    """Write `candidate` (a file, or an operator's implementation) in the format `to`: kernelbench, flashinfer, sol or
    gpumode. `out` is a folder, or a file where the format has one for a candidate; by default a folder here."""
    found = targets.resolve(candidate, problem, load_timeout_s)
    if len(found.candidates) != 1:
        names = ", ".join(c.name for c in found.candidates) or "none"
        raise InputError(f"{candidate} names {len(found.candidates)} candidates ({names}); name one, such as OP:IMPL")
    files = formats.export(found.candidates[0], found.problem, to)
    written = formats.write_files(files, Path(out) if out else Path(f"{found.problem.name}-{to}"))
    return ExportResult(candidate=found.candidates[0].name, problem=found.problem.name, to=to, files=written)


@_answers
def report(run: str | Path, out: str | Path | None = None) -> ReportResult:
    """Write `run`, a search's or what `bench` stored, as one self-contained HTML page, by default into its folder."""
    from .report import from_bench, from_store, render

    benched = Path(run) / bench_stored.BENCH_FILE if Path(run).is_dir() else Path(run)
    path = Path(out) if out else (Path(run) if Path(run).is_dir() else Path(run).parent) / "report.html"
    is_bench = benched.is_file() and benched.suffix == ".json"
    text = render(from_bench.view_of(bench_stored.read(benched)) if is_bench else from_store.view_of(run))
    _folder(path.parent)
    path.write_text(text, encoding="utf-8")
    return ReportResult(run=str(run), path=str(path), bytes=len(text.encode()))


@_answers
def device(
    kind: str = "auto", *, calibrate: bool = False, out: str | Path | None = None, progress: Say | None = None
) -> Device:
    """Return what this machine is, with its environment; `calibrate` measures its ceilings first and stores them.
    With `out`, the profile is also written to out/device.json, which `compare_devices` reads, and drawn beside it."""
    machine = _device(kind)
    if calibrate:
        machine = _calibrate(machine, progress)
    found = machine.with_(environment=environment(machine))
    if out is not None:
        if machine.profile is None:
            raise InputError("this machine was never measured: tilewright device --calibrate --out DIR")
        for path in device_rows.store(found, _folder(out)):
            _say(progress, f"wrote {path}")
        if why := why_no_png():
            _say(progress, why)
    return found


@_answers
def compare_devices(a: str | Path, b: str | Path) -> ProfileComparison:
    """Compare two stored device profiles, ceiling by ceiling."""
    return device_rows.compare(a, b)


@_answers
def operators(name: str | None = None) -> OperatorsResult:
    """Return the operators of the library, or the one called `name`."""
    if name is not None and name not in ops.names():
        formats.load_problem(name)  # says what it is instead, or which names are near
        raise InputError(f"{name} is no operator; the operators are {', '.join(ops.names())}")
    return OperatorsResult(operators=tuple(_operator(n) for n in ([name] if name else ops.names())))


@_answers
def compare(a: str | Path, b: str | Path, out: str | Path | None = None) -> ComparisonResult:
    """Compare two results that `bench` stored, row by row: is b faster than a, slower, level, unclear, or not
    comparable, because the environments differ? With `out`, the answer and a picture of it are kept there."""
    result = bench_stored.compare(a, b)
    if out is not None:
        bench_stored.store_comparison(result, _folder(out))
    return result


def seconds(text: str | float) -> float:
    """Return the seconds that "90", "90s", "1.5m" or "2h" says; InputError for anything else."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h)?\s*", str(text))
    if not found or float(found[1]) <= 0:
        raise InputError(f"{text!r} is no duration; write 60s, 10m or 1h")
    return float(found[1]) * {"s": 1, "m": 60, "min": 60, "h": 3600}[found[2] or "s"]


def _calibrate(machine: Device, progress: Say | None, quick: bool = False) -> Device:
    from .measure.streams import streams

    return calibrate(machine, progress, quick=quick, streams=streams() if machine.kind == "cpu" else None)


def _without_reference(found: targets.Target, baselines: Sequence[str]) -> targets.Target:
    """Drop an operator's reference where the eager baseline, which is the same, is timed anyway."""
    rest = tuple(c for c in found.candidates if c.name != "reference")
    return targets.Target(found.name, found.problem, rest) if "eager" in baselines and rest else found


def _operator(name: str) -> OperatorResult:
    problem = ops.get(name)
    text = (ops.module(name).__doc__ or "").strip()
    return OperatorResult(
        name=name,
        summary=text.splitlines()[0] if text else "",
        impls=tuple(problem.impls),
        workloads=problem.workloads,
        outputs=problem.outputs,
        grads=problem.grads,
        documentation=text,
    )


def _device(kind: str) -> Device:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", kind):
        raise InputError(f"there is no device {kind!r}; choose cpu, cuda, cuda:1 (a GPU by its number) or auto")
    return detect(kind)


def _gpus(asked: str, machine: Device, workers: str) -> tuple[int, ...]:
    """The GPUs that evaluate beside each other: those of the machine's kind, `workers` of them; one that was asked for
    by number works alone."""
    alike = [machine] if machine.kind == "cpu" or ":" in asked else gpus_like(machine)
    wanted = len(alike) if workers == "auto" else int(workers)
    if wanted > len(alike):
        raise MachineError(
            f"{wanted} workers need as many GPUs of one kind, and {len(alike)} can be had: one worker measures on one "
            f"device (--workers {len(alike)}, or auto)"
        )
    return tuple(one.index for one in alike[:wanted]) if machine.kind == "cuda" else ()


def _measured_device(kind: str, progress: Say | None) -> Device:
    """The device with its ceilings; one that was never measured is measured quickly, so that bounds mean something."""
    machine = _device(kind)
    if machine.profile is None:
        _say(
            progress, "measuring this machine for the first time (a few seconds; device --calibrate does it thoroughly)"
        )
        machine = _calibrate(machine, None, quick=True)
    return machine


def _check_archs(archs: Sequence[str]) -> None:
    for arch in archs:
        if not re.fullmatch(r"sm_\d+a?|gfx\w+", arch):
            raise InputError(f"there is no target {arch!r}; name some like sm_80, sm_90, sm_100, gfx942")


def _folder(path: str | Path) -> Path:
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be made a folder: {error.strerror}") from None
    return Path(path)


def _say(progress: Say | None, line: str) -> None:
    if progress is not None:
        progress(line)
