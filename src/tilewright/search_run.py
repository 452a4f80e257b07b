"""One search as a user sees it: begin it or go on with it, say how it goes, and sum it up with a page and a table."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import units
from .candidate import Candidate
from .device import detect
from .evaluate import Evaluator
from .formats import InputError
from .optimize import Result, Settings, strategies
from .optimize import optimize as search
from .optimize import proposers as proposing
from .optimize import resume as search_on
from .optimize.history import History, replay
from .problem import Problem, Workload
from .record import Event, Record, Store
from .report import render
from .report.from_store import view_of
from .results import Entry
from .run.local import LocalRunner

Say = Callable[[str], None]
PAGE = "report.html"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a search, which `run` goes on with."""

    def __init__(self, run: Path):
        super().__init__(f"stopped; go on with resume={str(run)!r}")
        self.run = run


def begin(
    problem: Problem,
    workload: Workload,
    user: Sequence[Candidate],
    *,
    folder: Path,
    budget_s: float,
    strategy: str | None,
    proposers: tuple[str, ...] | None,
    device: str,
    gpus: tuple[int, ...],
    started_s: float,
    allow_weak_sandbox: bool,
    progress: Say | None,
) -> Result:
    """Run a new search in `folder` and return its result with the final table and the path of its page."""
    _check_names("strategy", [strategy] if strategy else [], strategies.names())
    _check_names("proposer", proposers or (), proposing.names())
    settings = Settings(seed=secrets.randbits(31), device=device, proposers=proposers, gpus=gpus)
    settings = replace(settings, strategy=strategy) if strategy else settings
    try:
        result = search(
            problem,
            workload,
            out=folder,
            budget_s=budget_s,
            started_at=started_s,
            settings=settings,
            user=user,
            progress=_teller(progress),
            make_runner=_runner(allow_weak_sandbox),
        )
    except KeyboardInterrupt:
        raise Interrupted(folder) from None
    return finish(result, folder)


def go_on(
    run: str | Path, budget_s: float | None, started_s: float, allow_weak_sandbox: bool, progress: Say | None
) -> Result:
    """Go on with the search in the folder `run`; what was evaluated is not evaluated again. `budget_s` replaces the
    run's own, and what it has spent counts."""
    teller, runner = _teller(progress), _runner(allow_weak_sandbox)
    try:
        result = search_on(run, budget_s=budget_s, started_at=started_s, progress=teller, make_runner=runner)
    except KeyboardInterrupt:
        raise Interrupted(Path(run)) from None
    return finish(result, Path(run))


def finish(result: Result, folder: Path) -> Result:
    """Write the page of a finished run; return its result with `entries` (the table), `report` and `environment`."""
    page = folder / PAGE
    page.write_text(render(view_of(folder)), encoding="utf-8")
    store = Store.open(folder, write=False)
    try:
        history = replay(store)
    finally:
        store.close()
    rows = [e.model_dump(mode="json") for e in entries(history)]
    return result.with_(entries=rows, report=str(page), environment=history.config.get("environment", {}))


def entries(history: History) -> list[Entry]:
    """Return one line per candidate worth a line, fastest first: every baseline and seed, and the best child of each.

    Times of the paired finals replace those of the search, as they were made side by side.
    """
    records = dict(history.records)
    for paired, _ in history.paired.values():
        records |= paired
    for digest, certified in history.certified.items():
        records[digest] = certified.with_(measurement=records[digest].measurement or certified.measurement)
    baselines = {
        history.proposed[d].candidate.name: r.median_s
        for d, r in records.items()
        if history.proposed[d].stage == "baseline" and r.passed and r.median_s
    }
    best_child: dict[str, str] = {}
    for digest, record in records.items():
        item = history.proposed[digest]
        if item.stage == "child" and record.median_s and not record.stopped:
            first = records.get(best_child.get(item.root, ""))
            if first is None or record.median_s < (first.median_s or 0.0):
                best_child[item.root] = digest
    shown = [d for d in records if history.proposed[d].stage != "child" or d in best_child.values()]
    lines = [_entry(history, d, records[d], baselines) for d in shown]
    return sorted(lines, key=lambda e: (e.median_s is None, e.median_s or 0.0))


def _entry(history: History, digest: str, record: Record, baselines: Mapping[str, float | None]) -> Entry:
    measured: Any = record.measurement
    verdict: Any = record.verdict
    times: dict[str, Any] = {}
    if measured is not None and record.passed:
        times = {
            "median_s": measured.median_s,
            "ci_low_s": measured.ci_low_s,
            "ci_high_s": measured.ci_high_s,
            "fraction_of_bound": record.fraction_of_bound,
            "speedup": {name: time_s / measured.median_s for name, time_s in baselines.items() if time_s},
        }
    return Entry(
        candidate=digest,
        name=record.name,
        origin=record.origin,
        stage=history.proposed[digest].stage,
        status=str(record.status),
        detail=getattr(verdict, "detail", ""),
        **times,
    )


def line_of(event: Event) -> str:
    """Return an event as one line for a person who watches; "" for events that say nothing to him."""
    body, at = event.body, f"[{event.body.get('spent_s', 0.0):5.1f} s]"
    match event.kind:
        case "run":
            return f"{at} {body['problem']['name']} on {body['workload']['name']}, budget {body['budget_s']:g} s"
        case "resumed":
            return f"{at} going on with this run"
        case "building":
            return f"{at} {body['name']} ..."
        case "evaluated":
            record = body["record"]
            time_s = (record.get("measurement") or {}).get("median_s")
            said = units.seconds(time_s) if time_s else record["verdict"].get("detail", "")
            return f"{at} {record['name']}: {record['verdict']['status']} {said}".rstrip()
        case "best":
            return f"{at} best so far: {body['name']}, {units.seconds(body['median_s'])}"
        case "finalist" | "certifying":
            return f"{at} {event.kind}: {body['name']}"
        case "declined" | "skipped" | "note" | "infra":
            return f"{at} {body['reason']}"
    return ""


def _check_names(what: str, asked: Sequence[str], known: Sequence[str]) -> None:
    for name in asked:
        if name not in known:
            raise InputError(f"no {what} {name!r}; there are {', '.join(known)}")


def _teller(progress: Say | None) -> Callable[[Event], None] | None:
    if progress is None:
        return None

    def tell(event: Event) -> None:
        line = line_of(event)
        if line:
            progress(line)

    return tell


def _runner(allow_weak_sandbox: bool) -> Callable[[Problem, Workload, Settings], LocalRunner]:
    def make(problem: Problem, workload: Workload, settings: Settings) -> LocalRunner:
        machine = detect(settings.device)
        # The seed of the inputs is not the search's, which lies on disk: it is drawn anew, and told by the verdict.
        evaluator = Evaluator(problem, workload, device=machine, allow_weak_sandbox=allow_weak_sandbox)
        return LocalRunner(evaluator, gpus=[gpu for gpu in settings.gpus if gpu != evaluator.gpu])

    return make
