"""Tree-structured Parzen estimator (Bergstra et al., 2011), sampled by optuna; a random start, the default first.

optuna only samples. Repeats, constraints, points in flight and resumption are ours (`Trials`), for optuna alone
suggests the same point twice on small discrete spaces.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import TrialState

from ...problem import Parameter, Space
from . import Strategy, Trials, WorkItem

STARTUP = 8
TRIES = 12


class Tpe(Trials):
    """Asks optuna for indices into each parameter's values; numbers in rising order keep their order."""

    def __init__(self, space: Space, seed: int):
        super().__init__(space, seed)
        self._axes = {p.name: _axis(p) for p in space.parameters}
        with _quiet():
            sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=True)
            self._study = optuna.create_study(direction="minimize", sampler=sampler)

    def suggest(self) -> dict[str, Any] | None:
        if len(self.told) < STARTUP or not self._axes:
            return None
        with _quiet():
            for _ in range(TRIES):
                trial = self._study.ask(self._axes)
                self._study.tell(trial, state=TrialState.FAIL)  # results are told as points of their own, in `learn`
                settings = {p.name: p.values[trial.params[p.name]] for p in self.space.parameters}
                if self.is_fresh(settings):
                    return settings
        return None

    def learn(self, item: WorkItem, time_s: float | None) -> None:
        if not self.space.allows(item.settings):
            return
        indices = {p.name: p.values.index(item.settings[p.name]) for p in self.space.parameters}
        value = math.inf if time_s is None else math.log(time_s)
        with _quiet():
            trial = optuna.trial.create_trial(params=indices, distributions=self._axes, value=value)
            self._study.add_trial(trial)


def strategy(space: Space, seed: int) -> Strategy:
    return Tpe(space, seed)


def _axis(parameter: Parameter) -> BaseDistribution:
    values = list(parameter.values)
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    ordered = numeric and values == sorted(values)  # type: ignore[type-var]
    count = len(values)
    return IntDistribution(0, count - 1) if ordered and count > 1 else CategoricalDistribution(tuple(range(count)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep optuna's notices off the terminal, and leave its logging as it was found."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
