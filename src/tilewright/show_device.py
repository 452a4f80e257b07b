"""A device, its measured ceilings, and two profiles side by side, as tables for a person at a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape

from . import units
from .results import ProfileComparison
from .text_table import console, fitted, table

_DIM = "bright_black"


def device(machine: Any) -> None:
    """What the machine is, its datasheet, and its measured ceilings."""
    out = console()
    gpu = machine.kind == "cuda"
    name = f"cuda:{machine.index}" if gpu else machine.kind
    clock = f", up to {units.frequency(machine.max_clock_hz)}" if machine.max_clock_hz else ""
    parts = f"{machine.cores} {'multiprocessors' if gpu else 'cores'}{clock}"
    cache = f"last-level cache {units.byte_count(machine.cache_bytes)}"
    rows = [
        ["device", f"{name}: {machine.name} ({machine.arch}, {parts})"],
        ["memory", f"{units.byte_count(machine.memory_bytes)}; {cache}"],
    ]
    if machine.peaks:
        peaks = ", ".join(f"{d} {units.operations(f, 'flop/s')}" for d, f in machine.peaks.flops.items())
        rows.append(["datasheet", f"{units.bandwidth(machine.peaks.bytes_per_s)}; {peaks}"])
    profile = machine.profile
    if profile is None:
        rows.append(["measured", "not yet: tilewright device --calibrate"])
        table(out, ["", ""], rows, header=False)
        return
    quick = "quickly; thoroughly with: tilewright device --calibrate" if profile.quick else ""
    rows.append(["measured", f"{profile.created[:16].replace('T', ' ')}, in {profile.seconds:.0f} s {quick}"])
    rows += [["one call", _call_costs(profile)], ["exp", units.operations(profile.special_per_s, "op/s")]]
    if profile.atomics:
        adds = ", ".join(f"{name} {units.operations(rate, 'op/s')}" for name, rate in profile.atomics.items())
        rows.append(["atomic adds", adds])
    if profile.links:
        rows.append(["links", ", ".join(f"{name} {units.bandwidth(rate)}" for name, rate in profile.links.items())])
    if profile.power_limit_w:
        rows.append(["power limit", f"{profile.power_limit_w:.0f} W"])
    table(out, ["", ""], rows, header=False)
    _memory_rates(out, profile, machine.cache_bytes)
    _matrix_rates(out, profile, machine.peaks)
    for name, reason in profile.missing.items():
        out.print(f"[{_DIM}]not measured: {escape(name)}: {escape(reason)}[/]")


def _call_costs(profile: Any) -> str:
    costs = (
        ("host", profile.host_call_s),
        ("eager launch", profile.launch_s),
        ("launch in a graph", profile.graph_launch_s),
        ("graph replay", profile.graph_replay_s),
    )
    rest = ", ".join(f"{name} {units.seconds(s)}" for name, s in costs if s)
    return (
        f"{units.seconds(profile.call_s)} until its result is there; {rest}" if rest else units.seconds(profile.call_s)
    )


def _memory_rates(out: Console, profile: Any, cache_bytes: int) -> None:
    """Rates by bytes moved, at most eight sizes of each curve, the largest among them."""
    curves = {"copy": profile.copy, "read": profile.read, "write": profile.write}
    if profile.cold_copy:
        cold = {"copy": profile.cold_copy, "read": profile.cold_read, "write": profile.cold_write}
        warm = {f"{k}, in cache": [p for p in v if p[0] <= cache_bytes] for k, v in curves.items()}
        curves = {f"{k}, cold": v for k, v in cold.items()} | warm
    sizes = [size for size, _ in profile.copy]
    sizes = sizes[:: -max(1, -(-len(sizes) // 8))][::-1]
    columns = [units.binary_bytes(size) for size in sizes]
    found = [(name, dict(curve)) for name, curve in curves.items()]
    rows = [[name, *(units.bandwidth(rates.get(size)) for size in sizes)] for name, rates in found]
    out.print()
    table(out, ["bytes moved", *columns], rows, columns)


def _matrix_rates(out: Console, profile: Any, peaks: Any) -> None:
    """Matrix rate by dtype, against the datasheet; and back to back, with the clock and what held it down."""
    rows = []
    cubes = {s[:3] for shapes in profile.matrix_sizes.values() for s in shapes if s[0] == s[1] == s[2]}
    sizes = sorted(cubes)[:4]
    for dtype, rate in profile.matrix.items():
        peak = peaks.flops.get(dtype) if peaks else None
        row = [dtype, units.operations(rate, "flop/s")]
        row += [_at_size(profile, dtype, at) for at in sizes]
        row.append(units.percent(rate / peak if peak else None))
        if profile.matrix_sustained:
            state = profile.clocks.get(f"sustained {dtype}")
            row.append(units.operations(profile.matrix_sustained.get(dtype), "flop/s"))
            row.append(units.frequency(state.sm_clock_hz) if state else units.MISSING)
            row.append(f"{state.power_w:.0f} W" if state and state.power_w else units.MISSING)
            row.append(", ".join(state.throttle) if state else "")
        rows.append(row)
    held = ["back to back", "clock", "power", "held by"] if profile.matrix_sustained else []
    out.print()
    numbers = ["best", *(f"{m}³" for m, _, _ in sizes), "of datasheet"]
    columns = ["product", *numbers, *held]
    gone = [] if peaks else [columns.index("of datasheet")]  # nothing to compare with
    rows = [[cell for i, cell in enumerate(row) if i not in gone] for row in rows]
    shown = [c for i, c in enumerate(columns) if i not in gone]
    fitted(out, shown, rows, [*numbers, *held], numbers[1:-1])


def _at_size(profile: Any, dtype: str, shape: tuple[int, int, int]) -> str:
    found = next((rate for *at, rate in profile.matrix_sizes.get(dtype, ()) if tuple(at) == shape), None)
    return units.operations(found, "flop/s")


def device_comparison(result: ProfileComparison) -> None:
    """b against a, ceiling by ceiling, and in what the two machines differ."""
    out = console()
    colours = {"faster": "green", "slower": "red"}
    rows = []
    for r in result.rows:
        shown = {"B/s": units.bandwidth, "calls/s": lambda v: units.seconds(1 / v)}
        number = shown.get(r.unit, lambda v, unit=r.unit: units.operations(v, unit))
        interval = f"{r.ci_low:.3f} to {r.ci_high:.3f}" if r.ci_low and r.ci_high else units.MISSING
        verdict = f"[{colours.get(r.verdict, _DIM)}]{r.verdict}[/]"
        rows.append([r.name, number(r.a), number(r.b), f"{r.ratio:.3f}", interval, verdict])
    table(out, ["ceiling", "a", "b", "speed b / a", "interval", "b is"], rows, ["a", "b", "speed b / a", "interval"])
    for name, (a, b) in result.differs.items():
        out.print(f"[yellow]not the same {escape(name)}:[/] {escape(a)} in a, {escape(b)} in b")
    for line in (*result.missing, *result.notes):
        out.print(f"[{_DIM}]{escape(line)}[/]")
