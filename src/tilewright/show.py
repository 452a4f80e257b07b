"""Results as tables for a person at a terminal. Reads results, computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from . import units
from .results import (
    PASSED,
    SKIPPED,
    BenchResult,
    BenchRow,
    CheckResult,
    ComparisonResult,
    ExportResult,
    OperatorsResult,
    ReportResult,
    Score,
    ValidationResult,
)
from .show_device import device, device_comparison
from .text_table import console, grouped, narrowed, table
from .verify.error_map import shade

__all__ = [
    "bench",
    "check",
    "comparison",
    "device",
    "device_comparison",
    "export",
    "operators",
    "optimize",
    "report",
    "validation",
]

_SHADES = "·░▒▓█"
_GOOD, _BAD, _DIM = "green", "red", "bright_black"
_INTERVAL = "95 % interval"
# What a row has beside its time, as (column, field, cell).
_ALSO: tuple[tuple[str, str, Callable[[BenchRow], str]], ...] = (
    ("warm", "warm_s", lambda row: units.seconds(row.warm_s)),
    ("no graph", "eager_s", lambda row: units.seconds(row.eager_s)),
    ("energy", "energy_j", lambda row: units.joules(row.energy_j)),
)


def check(result: CheckResult) -> None:
    """The verdict, one line per workload, and the compile facts."""
    out = _console()
    out.print(f"{_status(result.status)}  {escape(result.target)} against {escape(result.problem)}")
    if result.detail:
        out.print(f"  {escape(result.detail)}")
    several = any(w.impl for w in result.workloads)
    columns = [*(["impl"] if several else []), "workload", "inputs", "verdict", "error", "allowed", "detail"]
    rows = [
        [
            *([w.impl] if several else []),
            w.name,
            w.family,
            _status(w.status),
            _number(w.error),
            _number(w.allowed),
            escape(w.detail) if w.status != "PASSED" or w.detail.startswith("skipped") else "",
        ]
        for w in result.workloads
    ]
    table(out, columns, rows, numbers=("error", "allowed"))
    if result.evidence is not None and (result.status != "PASSED" or result.tier == "certify"):
        evidence(out, result.evidence)
    for time in result.times:
        of_bound = f", {time.fraction_of_bound:.0%} of the bound" if time.fraction_of_bound else ""
        spread = f"{units.seconds(time.ci_low_s)} to {units.seconds(time.ci_high_s)}"
        who = f"{escape(time.name)} on " if several else ""
        out.print(
            f"  {who}{escape(time.workload)}: {units.seconds(time.median_s)} a call, {time.state} ({spread}){of_bound}"
        )
        first = f", the first call on new weights took {units.seconds(time.first_s)}" if time.first_s else ""
        out.print(f"  before: built in {units.seconds(time.build_s)}, loaded in {units.seconds(time.load_s)}{first}")
    if result.facts:
        compile_facts(out, result.facts)
    for point in result.weak:
        out.print(f"[{_BAD}]weak problem:[/] {escape(point)}")
    for s in result.suspicions:
        where = f"line {s.line}, " if s.line else ""
        out.print(f"[{_DIM}]{where}{escape(s.rule)}: {escape(s.text)} ({escape(s.reason)}); decides nothing[/]")
    seed = f"; replay with --replay {result.seed}" if result.seed is not None else ""
    sandbox = f"sandbox {result.sandbox}" if result.sandbox else "no call was made"
    out.print(f"[{_DIM}]{result.device}, tier {result.tier}, {sandbox}{seed}[/]")


def evidence(out: Console, found: Any) -> None:
    """How close it came and where, how each limit was derived, where it is wrong, and what else was looked at."""
    if found.error is not None:
        place = ", ".join(part for part in (found.workload, f"{found.family} inputs", found.output) if part)
        sized = bool(found.rules or found.allowed)  # a wrong shape or dtype is no matter of size
        numbers = f", {found.error:.3g} of {found.allowed:.3g} allowed" if sized else ""
        at = f" at {found.where}" if found.where else ""
        out.print(f"  worst: {escape(place)}: {escape(found.rule)}{escape(at)}{numbers}")
    for rule in found.rules:
        numbers = f"{rule.error:.3g} of {rule.allowed:.3g}"
        out.print(f"  [{_DIM}]{escape(rule.rule)}, {escape(rule.where)}: {numbers} = {escape(rule.derivation)}[/]")
    if found.map is not None:
        heat(out, found.map)
    gradients = [found.gradients] if found.gradients else []
    for line in (f"determinism: {found.determinism}", *gradients, *found.memory):
        out.print(f"  [{_DIM}]{escape(line)}[/]")


def heat(out: Console, found: Any) -> None:
    """The map of an error as a block of shades, one row of cells per line."""
    cells = f"each {found.cell_rows} x {found.cell_columns} of {found.rows} x {found.columns}"
    out.print(f"  {escape(found.output)}: {escape(found.quantity)}, {cells}")
    for index, band in enumerate(found.values):
        shades = "".join(_SHADES[shade(value, found.scale)] for value in band)
        out.print(f"  {index * found.cell_rows:>8}  {shades}")
    borders = "0.1, 0.5, 1 and 10 times" if found.scale == "limit" else "0, 1, 10 and 50 %"
    out.print(f"  [{_DIM}]{_SHADES} above {borders}{' what is allowed' if found.scale == 'limit' else ''}[/]")


def compile_facts(out: Console, facts: Sequence[Any]) -> None:
    """One line per kernel and target: what the compiler made of it."""
    rows = []
    for fact in facts:
        if getattr(fact, "error", ""):
            rows.append([fact.kernel, fact.target, f"[{_BAD}]{escape(fact.error)}[/]"])
            continue
        found = ", ".join(f"{name} {count}" for name, count in fact.instructions.items())
        spills = f"[{_BAD}]{fact.spills}[/]" if fact.spills else "0"
        occupancy = units.percent(fact.occupancy)
        shared = f"{fact.shared_bytes:,}"
        rows.append([fact.kernel, fact.target, found, str(fact.registers), spills, shared, occupancy])
    columns = ["kernel", "target", "instructions", "registers", "spills", "shared bytes", "occupancy"]
    table(out, columns, rows, numbers=("registers", "spills", "shared bytes", "occupancy"))


def bench(result: BenchResult) -> None:
    """Time with its interval, fraction of the bound, and speed-up over each baseline; and, where there is room, what
    else was measured."""
    out = _console()
    also = [(name, cell) for name, field, cell in _ALSO if any(getattr(row, field) for row in result.rows)]
    bases = list(dict.fromkeys(name for row in result.rows for name in row.speedup))
    columns = [
        "operator",
        "impl",
        "workload",
        "verdict",
        "median",
        _INTERVAL,
        "of bound",
        *(f"vs {b}" for b in bases),
        *(name for name, _ in also),
    ]
    rows = []
    for row in result.rows:
        speedups = [units.times(row.speedup.get(b)) for b in bases]
        interval = _interval(row.ci_low_s, row.ci_high_s)
        fraction = units.percent(row.fraction_of_bound)
        name = f"[{_DIM}]{row.impl}[/]" if row.baseline else row.impl
        cells = [row.op, name, row.workload, _status(row.status), units.seconds(row.median_s), interval, fraction]
        if row.status != SKIPPED:
            rows.append([*cells, *speedups, *(cell(row) for _, cell in also)])
    passed = all(row.status in (PASSED, SKIPPED) for row in result.rows)
    optional = [_INTERVAL, *(["verdict"] if passed else []), *(f"vs {b}" for b in reversed(bases))]
    columns, rows = narrowed(out, columns, rows, columns[4:], [name for name, _ in reversed(also)])
    grouped(out, columns, rows, columns[4:], optional)
    skipped: dict[str, list[str]] = {}
    for row in result.rows:
        if row.status == SKIPPED:
            skipped.setdefault(row.detail, []).append(row.op)
    for detail, ops in skipped.items():
        out.print(f"  [yellow]{SKIPPED}[/] for {', '.join(dict.fromkeys(ops))}: {escape(detail)}")
    for row in result.rows:
        if row.detail and row.status != SKIPPED:
            out.print(f"  {row.op} {row.impl} {row.workload}: {escape(row.detail)}")
    scores(out, result.scores)
    for note in result.notes:
        out.print(f"[{_DIM}]{escape(note)}[/]")


def scores(out: Console, found: Sequence[Score]) -> None:
    """What each implementation is worth over the workloads of its operator, and the corners of its score."""
    if not found:
        return
    bases = list(dict.fromkeys(name for score in found for name in score.speedup))
    columns = ["operator", "impl", "verified", "of bound", *(f"vs {b}, faster on" for b in bases), "SOL score"]
    rows = [
        [
            score.op,
            score.impl,
            f"{score.verified} of {score.workloads}",
            units.percent(score.fraction_of_bound),
            *(f"{units.times(score.speedup.get(b))}, {units.percent(score.fast_1.get(b))}" for b in bases),
            _number(score.sol_score),
        ]
        for score in found
    ]
    out.print("\n[bold]over the workloads of each operator[/], geometric means by number of calls")
    grouped(out, columns, rows, columns[2:], columns[-2:3:-1])
    for score in found:
        for note in score.notes:
            out.print(f"[{_DIM}]SOL score of {escape(f'{score.op} {score.impl} on {note}')}[/]")


def comparison(result: ComparisonResult) -> None:
    """b against a, row by row."""
    out = _console()
    colours = {"faster": _GOOD, "slower": _BAD}
    rows = []
    for r in result.rows:
        times = [units.seconds(r.a_s), units.seconds(r.b_s), f"{r.ratio:.3f}", f"{r.ci_low:.3f} to {r.ci_high:.3f}"]
        verdict = f"[{colours.get(r.verdict, _DIM)}]{r.verdict}[/]"
        rows.append([r.op, r.impl, r.workload, r.device, *times, verdict])
    columns = ["operator", "impl", "workload", "device", "a", "b", "b / a", "interval", "b is"]
    table(out, columns, rows, numbers=("a", "b", "b / a", "interval"))
    for field, (a, b) in result.differs.items():
        out.print(f"[yellow]not comparable:[/] {escape(field)} was {escape(a)} and is {escape(b)}")
    others = [r for r in result.rows if r.why and not result.differs]
    for r in others:
        out.print(f"[yellow]not comparable:[/] {escape(f'{r.op} {r.impl} {r.workload}: {r.why}')}")
    for name in result.missing:
        out.print(f"[{_DIM}]timed in one of them only: {escape(name)}[/]")
    for note in result.notes:
        out.print(f"[yellow]{escape(note)}[/]")


def optimize(result: Any) -> None:
    """The final table, the winner, and where everything is."""
    out = _console()
    entries = getattr(result, "entries", [])
    bases = list(dict.fromkeys(name for e in entries for name in e["speedup"]))
    columns = ["candidate", "verdict", "median", "95 % interval", "of bound", *(f"vs {b}" for b in bases)]
    best = result.best.identity if result.best else ""
    rows = []
    for e in entries:
        name = f"[bold]{escape(e['name'])}[/]" if e["candidate"] == best else escape(e["name"])
        times = [
            units.seconds(e["median_s"]),
            _interval(e["ci_low_s"], e["ci_high_s"]),
            units.percent(e["fraction_of_bound"]),
        ]
        rows.append([name, _status(e["status"]), *times, *(units.times(e["speedup"].get(b)) for b in bases)])
    table(out, columns, rows, numbers=columns[2:])
    said = {"improved": "faster than every baseline", "level": "level with the best baseline"}
    if result.best:
        proof = "certified" if result.best.certified else "not certified"
        verdict = said.get(result.status, "nothing better was found: this is the best baseline")
        out.print(
            f"best: [bold]{escape(result.best.candidate)}[/], {units.seconds(result.best.median_s)}, {proof}, {verdict}"
        )
    out.print(f"{result.evaluations} evaluations in {result.spent_s:.0f} s; kernel: {result.run}/best.py")
    out.print(f"report: {getattr(result, 'report', '')}")


def operators(result: OperatorsResult) -> None:
    """All operators, or everything about one."""
    out = _console()
    if len(result.operators) == 1:
        one = result.operators[0]
        out.print(f"[bold]{one.name}[/]  ({', '.join(one.impls)})\n\n{escape(one.documentation)}\n")
        rows = [[w.name, w.dtype, _axes(w), escape(w.source)] for w in map(_any, one.workloads)]
        table(out, ["workload", "dtype", "axes", "from"], rows)
        return
    rows = [[o.name, ", ".join(o.impls), str(len(o.workloads)), escape(o.summary)] for o in result.operators]
    table(out, ["operator", "implementations", "workloads", "what it computes"], rows, numbers=("workloads",))


def validation(result: ValidationResult) -> None:
    """Whether the problem is good, and what it would let pass."""
    out = _console()
    out.print(f"{_status(result.status)}  {escape(result.problem)} on {', '.join(result.workloads)}")
    for point in result.weaknesses:
        out.print(f"  [{_BAD}]weak:[/] {escape(point)}")
    for note in result.notes:
        out.print(f"  [{_DIM}]{escape(note)}[/]")
    if result.mutants:
        out.print(f"  {result.mutants_rejected} of {result.mutants_tried} mutated references rejected")


def export(result: ExportResult) -> None:
    """The files that were written."""
    for path in result.files:
        _console().print(escape(path))


def report(result: ReportResult) -> None:
    """Where the page is."""
    _console().print(f"{escape(result.path)} ({units.byte_count(result.bytes)})")


def _console() -> Console:
    return console()


def _any(value: Any) -> Any:
    return value


def _status(status: str) -> str:
    return f"[{_GOOD if status == 'PASSED' else _BAD}]{status}[/]"


def _number(value: float | None) -> str:
    return units.MISSING if value is None else units.digits(value)


def _interval(low_s: float | None, high_s: float | None) -> str:
    return f"{units.seconds(low_s)} to {units.seconds(high_s)}" if low_s and high_s else units.MISSING


def _axes(workload: Any) -> str:
    return " ".join(f"{k}={v}" for k, v in workload.axes.items())
