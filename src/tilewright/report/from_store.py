"""A run's folder -> RunView. Reads what the run wrote and nothing else, so a page can be made on any machine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from typing import Any

from .. import units
from ..candidate import Status
from ..optimize.history import History, replay
from ..record import Event, Record, Store
from ..verify.error_map import shade
from .stale import stale
from .view import CellView, FailureView, MapView, PointView, RoofView, RowView, RunView, WorkloadView

_UNCONTROLLED = ("printed", "proof", "compiled", "suspicions")  # long or nested facts that the page has no use for
_STATUS = {"improved": "PASSED", "level": "PASSED", "nothing_better": "NOTHING BETTER"}


@dataclass(frozen=True)
class _Run:
    """What the pieces of the view are made from: `times` prefers timings that were made side by side."""

    history: History
    events: tuple[Event, ...]
    times: Mapping[str, Record]

    @property
    def result(self) -> Mapping[str, Any]:
        return self.history.result or {}

    @property
    def best(self) -> Mapping[str, Any]:
        return self.result.get("best") or {}

    @property
    def winner_digest(self) -> str:
        """The digest of the best candidate; "" if there is none."""
        return str(self.best.get("identity", ""))

    @property
    def winner(self) -> Record | None:
        return self.times.get(self.winner_digest)


def view_of(folder: str | PathLike[str]) -> RunView:
    """Return the view of the run in `folder`, finished or not. Raises record.StoreError if there is none."""
    with Store.open(folder, write=False) as store:
        history, events = replay(store), tuple(store.events())
    times = dict(history.records)
    for paired, _ in history.paired.values():
        times |= {d: r for d, r in paired.items() if r.measurement is not None or not r.passed}
    run = _Run(history, events, times)
    config = history.config
    best = run.best
    return RunView(
        title=config.get("problem", {}).get("name", "run"),
        status=_STATUS.get(str(run.result.get("status")), "UNFINISHED"),
        workloads=(_workload(run),) if times else (),
        run=str(run.result.get("run") or folder),
        created=f"{datetime.fromtimestamp(events[0].time, UTC):%Y-%m-%d %H:%M} UTC" if events else "",
        device=_device(config.get("environment") or {}, config.get("settings") or {}),
        summary=_summary(run),
        evaluations=history.evaluations,
        elapsed_s=history.spent_s,
        points=tuple(_points(events)),
        roof=_roof(run),
        source=str(best.get("source", "")),
        source_name=f"{best.get('candidate', '')}, the text that was verified and timed" if best else "",
        facts=tuple(_facts(run)),
        measured=tuple(_measured(run)),
        environment=tuple(lines_of(config.get("environment") or {})),
        failures=_failures(history.records.values()),
        notes=tuple(run.result.get("notes") or history.notes),
        stale=tuple(stale(config.get("environment") or {}, run.result.get("source_digests") or {})),
    )


def _device(environment: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    if not environment:
        return str(settings.get("device", ""))
    if environment.get("device_kind") == "cuda":
        return f"{environment.get('device')}, {environment.get('device_arch')}"
    return f"{environment.get('device')}, {environment.get('cores')} cores, {environment.get('device_arch')}"


def _summary(run: _Run) -> str:
    best = run.best
    if not best:
        return "" if run.history.result is None else "no candidate passed"
    name = str(best["candidate"])
    parts = [f"{units.times(ratio)} over {n}" for n, ratio in best.get("speedup", {}).items() if n != name]
    fraction = best.get("fraction_of_bound")
    at = f", at {units.percent(fraction)} of the bound" if fraction else ""
    proved = "" if best.get("certified") else ", not certified"
    stays = run.result.get("status") == "nothing_better"
    said = f"the baseline {name} stays" if stays else name
    return f"{said}{': ' if parts else ''}{', '.join(parts)}{at}{proved}"


def _workload(run: _Run) -> WorkloadView:
    workload = run.history.config.get("workload", {})
    bound = next((r.bound for r in run.times.values() if r.bound is not None), None)
    about = bound.model_dump() if bound is not None else {}
    measured = run.winner.measurement if run.winner else None
    return WorkloadView(
        name=str(workload.get("name", "")),
        rows=tuple(_rows(run)),
        shape=", ".join(f"{k} {v}" for k, v in workload.get("axes", {}).items()),
        dtype=str(workload.get("dtype", "")),
        state=f"{measured.state} inputs" if measured else "",
        bound_s=about.get("achievable_s"),
        hard_s=about.get("hard_s"),
        limiter=str(about.get("limiter", "")),
        quality=str(about.get("quality", "")),
        derivation=str(about.get("derivation", "")),
        bytes_moved=about.get("bytes_moved") or None,
        flops=about.get("flops") or None,
    )


def _rows(run: _Run) -> Iterable[RowView]:
    """Every baseline and seed, every finalist, and the best child of each family."""
    history, times = run.history, run.times
    baselines = {
        times[d].name: times[d].median_s
        for d, p in history.proposed.items()
        if p.stage == "baseline" and d in times and times[d].passed and times[d].median_s
    }
    finalists = {d for paired, _ in history.paired.values() for d in paired}
    children: dict[str, Record] = {}
    for digest, record in history.records.items():
        root = history.proposed[digest].root
        if history.proposed[digest].stage == "child" and record.passed and not record.stopped and record.median_s:
            first = children.get(root)
            if first is None or record.median_s < (first.median_s or 0.0):
                children[root] = record
    shown = finalists | {r.candidate for r in children.values()}
    shown |= {d for d in times if history.proposed[d].stage != "child"}
    names = [times[d].name for d in shown]
    for digest in (d for d in times if d in shown):
        name = times[digest].name
        yield _row(run, digest, name if names.count(name) == 1 else f"{name} {digest[:6]}", baselines)


def _row(run: _Run, digest: str, name: str, baselines: Mapping[str, float | None]) -> RowView:
    record, proposed = run.times[digest], run.history.proposed[digest]
    certified = run.history.certified.get(digest)
    status = certified.status if certified is not None else record.status
    measured = record.measurement if record.passed else None
    speedup: dict[str, float | None] = dict.fromkeys(baselines)
    wins = digest == run.winner_digest
    if measured is not None:
        speedup = {n: (time_s or 0.0) / measured.median_s for n, time_s in baselines.items()}
    if wins:  # from paired timing, where it was done
        speedup |= run.best.get("speedup", {})
    return RowView(
        name=name,
        status=str(status),
        role="baseline" if proposed.stage == "baseline" else "candidate",
        winner=wins,
        median_s=measured.median_s if measured else None,
        low_s=measured.ci_low_s if measured else None,
        high_s=measured.ci_high_s if measured else None,
        fraction=record.fraction_of_bound if measured else None,
        speedup=speedup,
        samples_s=measured.samples_s if measured else (),
        origin=record.origin,
        detail=str(getattr((certified or record).verdict, "detail", "")),
    )


def _points(events: Iterable[Event]) -> Iterable[PointView]:
    for event in events:
        if event.kind == "evaluated":
            record = Record.model_validate(event.body["record"])
            at_s = float(event.body.get("spent_s", 0.0))
            yield PointView(at_s, str(record.status), record.median_s, record.name, record.origin)


def _roof(run: _Run) -> RoofView | None:
    """The ceilings that the bound of this run was made from."""
    for record in run.times.values():
        ceilings = dict(getattr(record.bound, "ceilings", None) or {})
        if memory := ceilings.pop("memory", None):
            cache = ceilings.pop("cache", None)
            dtype = str(run.history.config.get("workload", {}).get("dtype", ""))
            return RoofView(memory, {dtype: ceilings[dtype]} if dtype in ceilings else ceilings, cache)
    return None


def _facts(run: _Run) -> Iterable[tuple[str, str]]:
    digest = run.winner_digest
    if not digest:
        return
    record = run.history.certified.get(digest) or run.history.records.get(digest)
    yield "digest", digest
    yield "origin", str(run.best.get("origin", ""))
    yield from lines_of(run.best.get("params") or {})
    if record is not None:
        yield "language", record.language
        yield from lines_of({k: v for k, v in record.facts.items() if k not in _UNCONTROLLED})
        yield from _compiled(record.facts.get("compiled"))
        yield from lines_of(getattr(record.verdict, "facts", None) or {})


def _compiled(kernels: Any) -> Iterable[tuple[str, str]]:
    """What the compiler made of each kernel, in one line."""
    for kernel in kernels if isinstance(kernels, list) else ():
        parts = [f"{kernel['registers']} registers", f"{kernel['spills']} spills"]
        if kernel.get("shared_bytes"):
            parts.append(f"{units.binary_bytes(kernel['shared_bytes'])} shared")
        if kernel.get("occupancy") is not None:
            parts.append(f"occupancy {units.percent(kernel['occupancy'])}")
        yield str(kernel["kernel"]), ", ".join(parts)


def _measured(run: _Run) -> Iterable[tuple[str, str]]:
    record = run.winner
    if record is None:
        return
    proof = run.history.certified.get(record.candidate) or run.history.records.get(record.candidate) or record
    verdict: Any = proof.verdict
    if (measured := record.measurement) is not None:
        yield "clock", measured.method
        yield "samples", f"{len(measured.samples_s)} in {measured.blocks} blocks, {measured.state} inputs"
        yield "cross-check", f"parent's clock over child's claim {measured.parent_ratio:.3f}"
        if measured.host_s is not None:
            yield "host", f"{units.seconds(measured.host_s)} for one call until its work is queued"
        if measured.clocks is not None:
            clocks = measured.clocks
            held = f", held by {', '.join(clocks.throttle)}" if clocks.throttle else ""
            yield "GPU clock", f"{units.frequency(clocks.sm_low_hz)} to {units.frequency(clocks.sm_high_hz)}{held}"
        yield "steady", "yes" if measured.stable else "no: the halves of the run disagree"
    pair = run.best.get("paired")
    if pair:
        span = f"[{pair['ci_low']:.3f}, {pair['ci_high']:.3f}]"
        yield "paired ratio", f"{pair['ratio']:.3f} {span} of the best baseline's time, {pair['rounds']} rounds"
    yield "tier", str(getattr(verdict, "tier", ""))
    yield "sandbox", str(getattr(verdict, "sandbox", ""))
    yield "seeds", ", ".join(str(s) for s in getattr(verdict, "seeds", ()))
    margins = [w.error / w.allowed for w in getattr(verdict, "workloads", ()) if getattr(w, "allowed", None)]
    if margins:
        yield "error", f"at most {units.percent(max(margins))} of what is allowed, over {len(margins)} checks"


def lines_of(values: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """(what, value) lines of plain values; nothing that is empty."""
    for key, value in values.items():
        if value in (None, "", [], {}, ()):
            continue
        if key.endswith("_bytes") and isinstance(value, int):
            yield key.removesuffix("_bytes"), units.byte_count(value)
        elif key.endswith("_s") and isinstance(value, int | float):
            yield key.removesuffix("_s"), units.seconds(value)
        else:
            yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _failures(records: Iterable[Record]) -> tuple[FailureView, ...]:
    """Failed candidates by what went wrong, the most frequent first."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.status is not Status.PASSED:
            detail = str(getattr(record.verdict, "detail", ""))
            groups.setdefault((str(record.status), detail[:400]), []).append(record)
    ranked = sorted(groups.items(), key=lambda item: -len(item[1]))
    return tuple(
        FailureView(status, detail, tuple(r.name for r in failed), _map(failed[0]))
        for (status, detail), failed in ranked
    )


def _map(record: Record) -> MapView | None:
    """Where the first wrong output of `record` is wrong."""
    found = next((w.map for w in record.verdict.workloads if w.map is not None), None)
    if found is None:
        return None
    high, wide = found.cell_rows, found.cell_columns
    caption = f"{found.output}: {found.quantity}; each cell {high} x {wide} of {found.rows} x {found.columns}"
    rows = tuple(
        tuple(
            CellView(shade(v, found.scale), f"rows {r * high} to {min(found.rows, (r + 1) * high) - 1}, columns "
                     f"{c * wide} to {min(found.columns, (c + 1) * wide) - 1}: {v:.3g}")
            for c, v in enumerate(band)
        )
        for r, band in enumerate(found.values)
    )  # fmt: skip
    return MapView(caption, rows)
