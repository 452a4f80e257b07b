"""Begin a run in a folder, or go on with one."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ..candidate import Candidate
from ..device import detect, environment
from ..formats import bind
from ..problem import Problem, Workload
from ..record import Store, StoreError, candidate_event, candidate_from_event
from ..run import Runner
from . import proposers, strategies
from .budget import Budget, Clock
from .history import History, Journal, Progress, replay
from .loop import Search, Settings
from .result import Result, publish

MakeRunner = Callable[[Problem, Workload, Settings], Runner]


def optimize(
    problem: Problem,
    workload: Workload | None = None,
    *,
    out: str | os.PathLike[str],
    budget_s: float = 60.0,
    started_at: float | None = None,
    settings: Settings | None = None,
    user: Iterable[Candidate] = (),
    progress: Progress | None = None,
    make_runner: MakeRunner | None = None,
    clock: Clock = time.monotonic,
) -> Result:
    """Search for the fastest verified candidate of `problem` on `workload` (its first by default), in a new run `out`.

    `budget_s` counts from `started_at`, a reading of `clock` (time.monotonic) at the command's start. `progress` is
    called with every event. Raises ValueError for a strategy or proposer that does not exist, StoreError for a folder
    that cannot take a new run; KeyboardInterrupt passes through and leaves a run that `resume` goes on with.
    """
    settings = settings or Settings(seed=secrets.randbits(31))
    if settings.device == "auto":
        found = detect()
        settings = replace(settings, device="cpu" if found.kind == "cpu" else f"cuda:{found.index}")
    workload = workload or problem.workloads[0]
    user = tuple(user)
    _check(settings, problem, workload)
    with Store.open(out) as store:
        if store.events():
            raise StoreError(f"{store.folder} holds a run already: resume it, or choose another folder")
        budget = Budget(budget_s, started_at=started_at, clock=clock)
        journal = Journal(store, budget, History(), progress)
        journal.write(
            "run",
            "run",
            problem=problem.model_dump(mode="json"),
            workload=workload.model_dump(mode="json"),
            settings=vars(settings),
            user=[candidate_event(store, c) for c in user],
            budget_s=budget_s,
            environment=environment(detect(settings.device)),
        )
        return _run(problem, workload, journal, settings, user, make_runner)


def resume(
    run: str | os.PathLike[str],
    *,
    problem: Problem | None = None,
    budget_s: float | None = None,
    started_at: float | None = None,
    progress: Progress | None = None,
    make_runner: MakeRunner | None = None,
    clock: Clock = time.monotonic,
) -> Result:
    """Go on with `run` where it ended; a finished run returns what it found. Time already spent counts.

    `problem` is bound from the run's own copy unless given, and must then be the same. `budget_s` replaces the run's
    budget. Raises StoreError for a folder that is no run.
    """
    with Store.open(run, create=False) as store:
        history = replay(store)
        if history.result is not None:
            result = Result.model_validate({**history.result, "run": str(store.folder)})
            publish(store.folder, result)
            return result
        if not history.config:
            raise StoreError(f"{store.folder} ended before it began: start it anew")
        config = history.config
        kept = Problem.model_validate(config["problem"])
        problem = bind(kept) if problem is None else problem
        if problem.digest != kept.digest:
            raise StoreError(f"{store.folder} is a run of another problem, {kept.name}, or of another version of it")
        kept_settings = dict(config["settings"])
        lists = {name: _as_tuple(kept_settings.get(name)) for name in ("proposers", "gpus")}
        settings = Settings(**{**kept_settings, "proposers": lists["proposers"], "gpus": lists["gpus"] or ()})
        total_s = config["budget_s"] if budget_s is None else budget_s
        budget = Budget(total_s, started_at=started_at, already_s=history.spent_s, clock=clock)
        journal = Journal(store, budget, history, progress)
        journal.write("resumed", None, pid=os.getpid(), already_s=history.spent_s)
        user = tuple(candidate_from_event(store, c) for c in config["user"])
        workload = Workload.model_validate(config["workload"])
        return _run(problem, workload, journal, settings, user, make_runner)


def local_runner(problem: Problem, workload: Workload, settings: Settings) -> Runner:
    """The runner of this machine, with its sandboxed child."""
    from ..evaluate import Evaluator
    from ..run.local import LocalRunner

    weak = settings.allow_weak_sandbox
    # The seed of the inputs is not the search's: it is drawn anew, and kept from everyone until the verdict tells it.
    return LocalRunner(Evaluator(problem, workload, device=settings.device, allow_weak_sandbox=weak))


def _run(
    problem: Problem,
    workload: Workload,
    journal: Journal,
    settings: Settings,
    user: tuple[Candidate, ...],
    make_runner: MakeRunner | None,
) -> Result:
    runner = (make_runner or local_runner)(problem, workload, settings)
    try:
        return Search(problem, workload, journal, runner, settings, user).run()
    finally:
        runner.close()


def _check(settings: Settings, problem: Problem, workload: Workload) -> None:
    if settings.strategy not in strategies.names():
        raise ValueError(f"no strategy {settings.strategy!r}; there are {', '.join(strategies.names())}")
    for name in settings.proposers or ():
        proposers.get(name)
    if problem.reference is None:
        raise ValueError(f"problem {problem.name} is data only: bind it with its format reader")


def _as_tuple(values: list[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
