"""A profile as tables for a person at a terminal. Reads the result, computes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from . import units
from .profile.nouns import ModuleTime, OperatorTime, ProfileResult
from .text_table import fitted, table

_MOST_ROWS = 12
_DIM = "bright_black"
_WIDTH_WITHOUT_TERMINAL = 120
_LONGEST, _LONGEST_PATH = 30, 40
_TIMES = ["calls", "measured", "bound", "recoverable", "of bound"]


def profile(result: ProfileResult) -> None:
    """What a run costs, then modules, operators and kernels, the most recoverable first."""
    console = Console(highlight=False)
    out = console if console.is_terminal else Console(highlight=False, width=_WIDTH_WITHOUT_TERMINAL)
    for line in summary(result):
        out.print(escape(line))
    _modules(out, result.modules)
    _operators(out, result.operators)
    _kernels(out, result)
    for path in result.problems:
        out.print(f"problem file {escape(path)}")
    for note in result.notes:
        out.print(f"[{_DIM}]{escape(note)}[/]")


def summary(result: ProfileResult) -> list[str]:
    """The lines above the tables."""
    what = {"run": f"run() of {result.target}", "callable": result.target, "script": f"{result.target}, once"}
    lengths = f"{units.seconds(result.wall_s)} under the profiler"
    if result.plain_s:
        plain = sorted(result.plain_s)[len(result.plain_s) // 2]
        lengths = f"{units.seconds(plain)}; {lengths}, the middle of {len(result.walls_s)} runs"
    known = units.percent(result.bounded_s / result.measured_s if result.measured_s else None)
    bound = f"{units.seconds(result.bound_s)} with data from {'memory' if result.memory == 'cold' else 'cache'}"
    lines = [
        f"{what[result.mode]}: {lengths}, on {result.device}",
        f"operators take {units.seconds(result.measured_s)}; {known} of it has a bound, {bound}, so that "
        f"{units.seconds(result.recoverable_s)} can be recovered",
    ]
    share = f"launch-bound: {units.percent(result.launch_bound_share)} of the operators' time"
    found = result.launches
    if result.device_kind == "cpu":
        share = f"outside operators: {units.percent(result.outside_s / result.wall_s)} of the run; {share}"
        return [*lines, f"{share}; TKLQT and idle share: not applicable, the CPU launches nothing"]
    if found is None:
        return [*lines, share]
    kernels = f"{found.kernels} launches, kernels of {units.seconds(found.mean_kernel_s)} on average"
    idle = f"idle {units.percent(found.idle_share)} of {units.seconds(found.latency_s)}"
    return [*lines, f"{share}; TKLQT {units.seconds(found.tklqt_s)} over {kernels}; device {idle}"]


def _modules(out: Console, rows: Sequence[ModuleTime]) -> None:
    if not rows:
        return
    cells = []
    for row in rows[:_MOST_ROWS]:
        name = " ".join([row.module, *(["backward"] if row.backward else [])])
        limit = f"{row.limiter}\u00b9" if row.fused else row.limiter
        cells.append([escape(name), escape(_end(row.path)), shapes_of(row), *_numbers(row), limit, row.fits])
    out.print("\n[bold]modules, by recoverable time[/] (each with the operators that it calls itself)")
    columns = ["module", "in", "inputs", *_TIMES, "limit", "library"]
    fitted(out, columns, cells, _TIMES, ["inputs", "bound", "of bound"])
    if any(row.fused for row in rows[:_MOST_ROWS]):
        out.print(
            f"[{_DIM}]\u00b9 the bound is that of one kernel: inputs and weights read once, outputs written once[/]"
        )
    _left_out(out, len(rows), "module rows")


def _operators(out: Console, rows: Sequence[OperatorTime]) -> None:
    cells = []
    for row in rows[:_MOST_ROWS]:
        limit = row.limiter if row.bound_s is not None else "no bound"
        cells.append([escape(row.op.removeprefix("aten::")), shapes_of(row), *_numbers(row), escape(limit), row.fits])
    out.print("\n[bold]operators, by recoverable time[/]")
    fitted(out, ["operator", "inputs", *_TIMES, "limit", "library"], cells, _TIMES, ["bound", "of bound", "inputs"])
    _left_out(out, len(rows), "operator rows")


def _kernels(out: Console, result: ProfileResult) -> None:
    if not result.kernels:
        return
    cells = [
        [escape(k.name[:60]), str(k.calls), units.seconds(k.device_s), escape(", ".join(k.operators))]
        for k in result.kernels[:_MOST_ROWS]
    ]
    out.print("\n[bold]kernels, by time[/]")
    table(out, ["kernel", "calls", "on the device", "launched by"], cells, ["calls", "on the device"])
    _left_out(out, len(result.kernels), "kernels")


def _numbers(row: ModuleTime | OperatorTime) -> list[str]:
    fraction = row.bound_s / row.measured_s if row.bound_s is not None and row.measured_s else None
    return [
        str(row.calls),
        units.seconds(row.measured_s),
        units.seconds(row.bound_s),
        units.seconds(row.recoverable_s),
        units.percent(fraction),
    ]


def shapes_of(row: ModuleTime | OperatorTime) -> str:
    """The inputs of a row in one word, a dtype before the shapes that have it: "float32[1,256,512],[512]"."""
    parts, last = [], ""
    for shape, dtype in zip(row.shapes, row.dtypes, strict=True):
        parts.append(f"{dtype if dtype != last else ''}[{','.join(map(str, shape))}]")
        last = dtype
    text = ",".join(parts)
    return escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def _end(path: str) -> str:
    return path if len(path) <= _LONGEST_PATH else f"…{path[1 - _LONGEST_PATH :]}"


def _left_out(out: Console, count: int, what: str) -> None:
    if count > _MOST_ROWS:
        out.print(f"[{_DIM}]{count - _MOST_ROWS} more {what} with --json or --out[/]")
