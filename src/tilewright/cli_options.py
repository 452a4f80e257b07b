"""The options of the command line: what each is called, takes and means. Standard library and typer only."""

from __future__ import annotations

from typing import Annotated

import typer

Option, Argument, BadParameter = typer.Option, typer.Argument, typer.BadParameter
Debug = Annotated[bool, Option("--debug", help="Show tracebacks.")]
Json = Annotated[bool, Option("--json", help="Print one JSON object on stdout, and nothing else.")]
DeviceName = Annotated[
    str,
    Option("--device", metavar="D", help="cpu, cuda, cuda:1 (the second GPU), or auto: the GPU if there is one."),
]
ProblemFile = Annotated[str | None, Option("--problem", metavar="P", help="What a candidate file must compute.")]


def _seconds(value: float | None) -> float | None:
    if value is not None and not value > 0:  # which NaN is not either
        raise BadParameter(f"{value} is no time to wait; give seconds, such as 30")
    return value


def _end_s(value: float | None) -> float | None:
    if value == float("inf"):
        raise BadParameter("inf has no end; give seconds, such as 30")
    return _seconds(value)


_LOADS = "Seconds that a problem file may take to import and run once."
LoadTimeout = Annotated[float, Option(metavar="S", help=_LOADS, callback=_end_s)]
TraceFile = Annotated[
    str | None, Option("--trace", metavar="FILE", help="Append traces of FlashInfer-Bench or SOL-ExecBench to FILE.")
]
ValidateTimeout = Annotated[
    float,
    Option(
        "--timeout",
        metavar="S",
        help="Seconds after which nothing more is begun.",
        show_default=False,
        callback=_seconds,
    ),
]
WeakSandbox = Annotated[bool, Option("--allow-weak-sandbox", help="Certify behind resource limits only; marked so.")]
Tier = Annotated[str | None, Option(metavar="T", help="screen (quick, not timed), measure, or certify (everything).")]
Archs = Annotated[str, Option("--target", metavar="ARCHS", help="Cross-compile too: sm_80,sm_90,sm_100,gfx942.")]
Replay = Annotated[
    int | None, Option(metavar="SEED", min=0, max=2**63 - 1, help="Judge again with the inputs of a logged seed.")
]
OneWorkload = Annotated[str | None, Option("--workload", metavar="W", help="One workload, by its name.")]
_BASELINES = "What to compare with: eager, compile, compile-max, vendor, liger, quack; with commas."
Baselines = Annotated[str, Option("--baseline", metavar="NAMES", help=_BASELINES)]
ExportTo = Annotated[str, Option("--to", metavar="F", help="kernelbench, flashinfer, sol or gpumode.")]
ExportOut = Annotated[str | None, Option("-o", "--out", metavar="PATH", help="A folder, or a file for the candidate.")]
Out = Annotated[str | None, Option("--out", metavar="DIR", help="Keep what was found in this folder.")]
Compare = Annotated[tuple[str, str] | None, Option(metavar="A.json B.json", help="Compare two stored results.")]
CompareDevices = Annotated[
    tuple[str, str] | None, Option("--compare", metavar="A.json B.json", help="Compare two stored profiles.")
]
_BUDGET = "60s (the default), 10m, 1h; baselines and certification included."
Budget = Annotated[str | None, Option(metavar="TIME", help=_BUDGET)]
Strategy = Annotated[str | None, Option(metavar="S", help="Who is the next parent, and with what settings.")]
Proposer = Annotated[str | None, Option(metavar="P", help="Only these proposers, by name, with commas.")]
Workers = Annotated[str, Option(metavar="N", help="GPUs that evaluate beside each other: a number, or auto for all.")]
Resume = Annotated[str | None, Option(metavar="RUN", help="Go on with a run that was stopped.")]
Warmup = Annotated[int, Option("--warmup", metavar="N", help="Calls of run() before anything is measured.")]
Runs = Annotated[int, Option("--runs", metavar="N", help="Calls of run() under the profiler; one of them is shown.")]
SaveProblems = Annotated[
    str | None, Option("--save-problems", metavar="DIR", help="Write the modules that were seen as problem files.")
]
