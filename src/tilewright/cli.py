"""The command line: parse, call one function of the API, print. Nothing heavy is imported before a command runs.

Exit codes: 0 good; 1 the verdict is not PASSED, or nothing better was found; 2 wrong usage or unreadable input;
3 this machine cannot do it; 130 stopped by Ctrl-C. With --json, stdout carries exactly one JSON object and everything
else goes to stderr.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import cli_options as of
from .cli_options import Argument, Option

if TYPE_CHECKING:
    from .schema import Noun

INTERRUPTED, DEFECT = 130, 70  # 128 + SIGINT, and EX_SOFTWARE of sysexits.h
_FAILED = {2: "INPUT_ERROR", 3: "MACHINE_ERROR", INTERRUPTED: "INTERRUPTED"}
_started_s: ContextVar[float] = ContextVar("started_s")  # `--budget` counts from here

app = typer.Typer(
    name="tilewright",
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
problem_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Look at problems, before kernels.")
app.add_typer(problem_app, name="problem")


@app.callback(epilog="Start with: tilewright ops, then tilewright bench rms_norm, or make demo in the source tree.")
def _root(
    version: Annotated[bool, Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Find, prove and ship the fastest correct kernel for a tensor computation.

    \b
    tilewright check my_kernel.py --problem p.py     is it right?
    tilewright bench rms_norm softmax                how fast, and how far from the limit?
    tilewright optimize p.py --budget 60s            can the machine find a faster one?
    tilewright profile my_model.py                   where does a model lose time?

    A TARGET is an operator (rms_norm, rms_norm:triton) or a Python file: a KernelBench problem (Model, get_inputs)
    or candidate (ModelNew), a file with PROBLEM, or a Triton kernel.

    Exit codes: 0 good, 1 not passed or nothing better, 2 wrong usage or unreadable input, 3 not on this machine,
    70 a fault of tilewright itself.
    """


@app.command()
def device(
    calibrate: Annotated[bool, Option("--calibrate", help="Measure the ceilings now and store them.")] = False,
    device: of.DeviceName = "auto",
    out: of.Out = None,
    compare: of.CompareDevices = None,
    json: of.Json = False,
    debug: of.Debug = False,
) -> None:
    """Show this machine and its measured ceilings.

    \b
    tilewright device --calibrate        measure bandwidth, matrix rates and call cost (20 to 40 s), and store them
    tilewright device --out here         the profile as here/device.json, with pictures
    tilewright device --compare a b      two of these, with a verdict for each ceiling
    """
    from . import api

    if compare:
        _finish(lambda: api.compare_devices(*compare), "device_comparison", json)
    _finish(lambda: api.device(device, calibrate=calibrate, out=out, progress=_say), "device", json)


@app.command()
def ops(
    name: Annotated[str | None, Argument(help="One operator; all if left out.")] = None,
    json: of.Json = False,
    debug: of.Debug = False,
) -> None:
    """List the operators of the library, or show one.

    \b
    tilewright ops
    tilewright ops rms_norm
    """
    from . import api

    _finish(lambda: api.operators(name), "operators", json)


@app.command()
def check(
    target: Annotated[str, Argument(help="An operator or a candidate file.")],
    problem: of.ProblemFile = None,
    tier: of.Tier = None,
    device: of.DeviceName = "auto",
    target_archs: of.Archs = "",
    replay: of.Replay = None,
    trace: of.TraceFile = None,
    allow_weak_sandbox: of.WeakSandbox = False,
    load_timeout: of.LoadTimeout = 30.0,
    json: of.Json = False,
    debug: of.Debug = False,
) -> None:
    """Say whether a kernel is right.

    Truth is the reference in float64; the tolerance is derived from it, and nothing is configured.

    \b
    tilewright check my_kernel.py --problem my_problem.py             everything, on one workload
    tilewright check my_kernel.py --problem p.py --tier measure       a few kinds of inputs, in a second or two
    tilewright check my_kernel.py --problem p.py --tier certify       everything, on every workload
    tilewright check rms_norm:triton --target sm_90,sm_100,gfx942     registers, spills, instructions; no GPU needed
    tilewright check my_kernel.py --problem p.py --replay 1234567     the very inputs that failed before
    """
    from . import api

    _finish(
        lambda: api.check(
            target,
            problem,
            tier=tier,
            device=device,
            target_archs=tuple(a.strip() for a in target_archs.split(",") if a.strip()),
            replay=replay,
            trace=trace,
            allow_weak_sandbox=allow_weak_sandbox,
            load_timeout_s=load_timeout,
        ),
        "check",
        json,
    )


@app.command()
def bench(
    targets: Annotated[list[str] | None, Argument(metavar="TARGET...", help="Operators or files.")] = None,
    workload: of.OneWorkload = None,
    baseline: of.Baselines = "eager,compile",
    problem: of.ProblemFile = None,
    device: of.DeviceName = "auto",
    out: of.Out = None,
    compare: of.Compare = None,
    load_timeout: of.LoadTimeout = 30.0,
    json: of.Json = False,
    debug: of.Debug = False,
) -> None:
    """Time kernels beside their bound and baselines.

    What is not verified is not timed. Rows of one workload share one protocol.

    \b
    tilewright bench rms_norm softmax gemm --device cpu
    tilewright bench rms_norm:cpp --workload llama-3-8b --baseline eager
    tilewright bench softmax --baseline eager,compile,vendor,liger --out out/after     page, pictures, all samples
    tilewright bench --compare out/before out/after --out out/compared
    """
    from . import api

    if compare:
        _finish(lambda: api.compare(*compare, out=out), "comparison", json)
    if not targets:
        raise UsageError("bench needs a TARGET: tilewright bench rms_norm, or --compare A.json B.json")
    names = tuple(b.strip() for b in baseline.split(",") if b.strip())
    _finish(
        lambda: api.bench(
            targets,
            workload,
            names,
            problem=problem,
            device=device,
            out=out,
            load_timeout_s=load_timeout,
            progress=_say,
        ),
        "bench",
        json,
    )


@app.command()
def optimize(
    target: Annotated[str | None, Argument(help="An operator, a problem file, or a candidate file.")] = None,
    problem: of.ProblemFile = None,
    budget: of.Budget = None,
    strategy: of.Strategy = None,
    proposer: of.Proposer = None,
    workload: of.OneWorkload = None,
    workers: of.Workers = "auto",
    device: of.DeviceName = "auto",
    out: of.Out = None,
    resume: of.Resume = None,
    allow_weak_sandbox: of.WeakSandbox = False,
    load_timeout: of.LoadTimeout = 30.0,
    json: of.Json = False,
    debug: of.Debug = False,
) -> None:
    """Search for the fastest verified kernel.

    The best is written as a ready-to-import file. It is never slower than the best baseline.

    \b
    tilewright optimize examples/rms_norm_residual.py --budget 60s --out out/demo
    tilewright optimize my_kernel.py --problem my_problem.py --budget 10m      tunes the SPACE of your kernel too
    tilewright optimize --resume out/demo                                      after Ctrl-C, a crash or a power cut
    """
    from . import api

    if not target and not resume:
        raise UsageError("optimize needs a TARGET: tilewright optimize problem.py --budget 60s, or --resume RUN")
    _finish(
        lambda: api.optimize(
            target,
            problem,
            budget=budget,
            strategy=strategy,
            proposer=proposer,
            workload=workload,
            workers=workers,
            device=device,
            out=out,
            resume=resume,
            allow_weak_sandbox=allow_weak_sandbox,
            load_timeout_s=load_timeout,
            started_s=_started_s.get(),
            progress=_say,
        ),
        "optimize",
        json,
    )


@app.command()
def profile(
    script: Annotated[str, Argument(metavar="SCRIPT", help="A Python file of yours; it is run, and trusted.")],
    arguments: Annotated[list[str] | None, Argument(metavar="[-- ARGS]", help="What the script is given.")] = None,
    warmup: of.Warmup = 3,
    runs: of.Runs = 5,
    save_problems: of.SaveProblems = None,
    out: of.Out = None,
    json: of.Json = False,
    debug: of.Debug = False,
) -> None:
    """Rank a model's operators by the time that can be recovered.

    Recoverable is what lies between the time of a call and its bound, summed over calls. A script that defines run()
    is imported, and run() is called: warm, several times, under torch.profiler. Any other script runs once, cold.

    \b
    tilewright profile examples/profile_transformer.py
    tilewright profile my_model.py -- --layers 4                     what follows -- is for the script
    tilewright profile my_model.py --save-problems problems          then: tilewright optimize problems/01_....py
    tilewright profile my_model.py --out out/profile                 JSON, an HTML page, and the profiler's own trace
    """
    from . import api

    _finish(
        lambda: api.profile(
            script, arguments=arguments or (), warmup=warmup, runs=runs, save_problems=save_problems, out=out,
            progress=_say,
        ),
        "profile",
        json,
    )  # fmt: skip


@problem_app.callback()
def _problem() -> None:
    """Look at problems, before kernels."""


@problem_app.command("validate")
def problem_validate(
    problem: Annotated[str, Argument(metavar="P", help="An operator or a problem file.")],
    load_timeout: of.LoadTimeout = 30.0,
    timeout: of.ValidateTimeout = float("inf"),
    json: of.Json = False,
    debug: of.Debug = False,
) -> None:
    """Say whether a problem tells right from wrong.

    Zeros, a constant, a copy of the input and its mean must all fail on it; else it is marked weak.

    \b
    tilewright problem validate my_problem.py
    tilewright problem validate large.py --timeout 60      what there was no time for is said
    """
    from . import api

    _finish(
        lambda: api.validate(problem, load_timeout_s=load_timeout, limit_s=timeout, progress=_say), "validation", json
    )


@app.command()
def report(
    run: Annotated[str, Argument(metavar="RUN", help="The folder of a run, or what bench --out kept.")],
    out: Annotated[str | None, Option("-o", "--out", metavar="FILE.html", help="Where to write it.")] = None,
    json: of.Json = False,
    debug: of.Debug = False,
) -> None:
    """Write a run as one HTML page that opens offline.

    \b
    tilewright report out/demo
    tilewright report out/demo -o rms_norm.html
    """
    from . import api

    _finish(lambda: api.report(run, out), "report", json)


@app.command()
def export(
    candidate: Annotated[str, Argument(help="A candidate file, or an operator's implementation.")],
    to: of.ExportTo,
    problem: of.ProblemFile = None,
    out: of.ExportOut = None,
    load_timeout: of.LoadTimeout = 30.0,
    json: of.Json = False,
    debug: of.Debug = False,
) -> None:
    """Write a candidate in the format of another project.

    \b
    tilewright export best.py --problem task_folder --to gpumode -o submission.py
    tilewright export kernel.py --problem p.py --to flashinfer -o dataset     definition, workloads and solution
    tilewright export rms_norm:triton --to kernelbench -o model_new.py
    """
    from . import api

    _finish(lambda: api.export(candidate, problem, to=to, out=out, load_timeout_s=load_timeout), "export", json)


class UsageError(Exception):
    """Wrong usage that the parser cannot see."""

    exit_code = 2


class StoppedError(Exception):
    """Ctrl-C; the message says how to go on."""

    exit_code = INTERRUPTED


def _finish(call: Callable[[], Noun], kind: str, as_json: bool) -> None:
    """Run `call`, print its result as JSON or as `kind` of table, and end with the result's exit code."""
    _leave_no_inductor_folder()
    with _stdout(as_json) as stdout:
        try:
            result = call()
        except KeyboardInterrupt as stop:
            run_folder = getattr(stop, "run", "")
            more = f"; nothing is lost, go on with: tilewright optimize --resume {run_folder}" if run_folder else ""
            raise StoppedError(f"stopped{more}") from stop
        if as_json:
            stdout.write(result.to_json() + "\n")
            stdout.flush()
        else:
            from . import show, show_profile

            getattr(show_profile if kind == "profile" else show, kind)(result)
    raise typer.Exit(getattr(result, "exit_code", 0))


def _leave_no_inductor_folder() -> None:
    """Torch makes a folder for torch.compile among the temporary files as soon as parts of it are imported."""
    from .cache import made_cache_folder

    with contextlib.suppress(OSError):
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(made_cache_folder("inductor")))


@contextlib.contextmanager
def _stdout(alone: bool) -> Iterator[Any]:
    """Yield stdout; if `alone`, everything else that is written there, by C code and children too, goes to stderr."""
    if not alone:
        yield sys.stdout
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(kept, "w", closefd=False) as stream, contextlib.redirect_stdout(sys.stderr):
            yield stream
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _say(line: str) -> None:
    """Show one line of progress on stderr; on a terminal it replaces the one before."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[2K{line[: os.get_terminal_size(2).columns - 1]}")
        sys.stderr.flush()
    else:
        print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Run the command line and end the process with the contract's exit code; errors are one line on stderr."""
    from .heap import collect_rarely, keep_freed_memory

    keep_freed_memory()
    collect_rarely()
    # Threads of this process that have nothing to do must not spin on the cores that children are timed on.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(run(sys.argv[1:], _process_start_s()))


def _process_start_s() -> float:
    """When this process began, as a reading of time.monotonic: before the interpreter was ready, let alone torch."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        with open("/proc/self/stat") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        return time.monotonic() - age_s
    return time.monotonic()


def run(arguments: list[str], started_s: float | None = None) -> int:
    """Run one command, begun at `started_s` of time.monotonic (default: now), and return its exit code."""
    _started_s.set(time.monotonic() if started_s is None else started_s)
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return _fail(f"tilewright needs Linux on x86-64; this is {sys.platform} on {os.uname().machine}", 3)
    if arguments == ["--version"]:
        from . import __version__

        print(f"tilewright {__version__}")
        return 0
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments  # the rest is for a profiled script
    as_json = "--json" in own
    try:
        code = app(args=arguments, prog_name="tilewright", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return _fail("stopped", INTERRUPTED, as_json)
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line, not a traceback
        if "--debug" in own:
            import traceback

            traceback.print_exc()
        if getattr(error, "format_message", str)().startswith("Usage:"):  # no arguments: the help is the answer
            print(error.format_message(), file=sys.stderr)  # type: ignore[attr-defined]
            return 2
        return _fail(_line_of(error), int(getattr(error, "exit_code", DEFECT)), as_json)


def _line_of(error: Exception) -> str:
    """Return the one line that says what was wrong, for usage errors of the parser, our own, and defects."""
    if hasattr(error, "format_message"):
        message = " ".join(str(error.format_message()).split())
        context = getattr(getattr(error, "ctx", None), "command_path", "tilewright")
        return f"{message.rstrip('.')}{_near_command(message)}; see {context} --help"
    if hasattr(error, "exit_code"):
        return " ".join(str(error).split())
    text = " ".join(str(error).split())[:300]
    return f"tilewright failed: {type(error).__name__}: {text} (--debug shows where; please report it)"


def _near_command(message: str) -> str:
    if not message.startswith("No such command"):
        return ""
    typed = message.split("'")[1] if "'" in message else ""
    commands = [c.name or getattr(c.callback, "__name__", "") for c in app.registered_commands]
    close = difflib.get_close_matches(typed, [*commands, "problem"], n=2)
    return f"; did you mean {' or '.join(close)}?" if close and "Did you mean" not in message else ""


def _fail(line: str, code: int, as_json: bool = False) -> int:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[2K")
    if as_json:
        from .failure import Failure

        print(Failure(status=_FAILED.get(code, "DEFECT"), detail=line, exit_code=code).to_json(), flush=True)
    print(f"tilewright: {line}" if code != INTERRUPTED else line, file=sys.stderr, flush=True)
    return code
