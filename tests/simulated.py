"""A machine that is not there: evaluations take simulated seconds and give simulated times, with noise."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import nullcontext

import torch

from tilewright.bound import Bound
from tilewright.candidate import Candidate, CandidateError, Status
from tilewright.measure.nouns import Comparison, Measurement
from tilewright.problem import Inputs, Parameter, Problem, Space, Workload
from tilewright.record import EvaluationCost, Record
from tilewright.run import failed
from tilewright.verify.verdict import Verdict

WORKLOAD = Workload(name="w", axes={"N": 8})


def double(x: torch.Tensor) -> torch.Tensor:
    return x + x


PROBLEM = Problem(
    name="double",
    workloads=(WORKLOAD,),
    reference=double,
    inputs=lambda _, generator: Inputs({"x": torch.randn(8, generator=generator)}),
)
SPACE = Space(
    parameters=(
        Parameter(name="TILE", values=(1, 2, 4, 8, 16, 32), default=1),
        Parameter(name="UNROLL", values=(1, 2, 4), default=1),
        Parameter(name="MODE", values=("a", "b"), default="a"),
    ),
    constraints=("TILE * UNROLL <= 64",),
)


def kernel(name: str = "mine", space: Space = SPACE, mark: str = "") -> Candidate:
    """A candidate with settings, whose behaviour the machine takes from its name."""
    source = f"# {name} {mark}\nPARAMS = {space.defaults()!r}\n\n\ndef double(x):\n    return 2 * x\n"
    return Candidate(name=name, source=source, entry="double", params=space.defaults(), space=space)


def family(candidate: Candidate) -> str:
    """The name that a candidate shares with all that differ from it in settings only."""
    return re.sub(r"( \w+=\S+)+$", "", candidate.name)


class Clock:
    """Simulated seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Machine:
    """A runner. `times_s` gives what a candidate truly takes, by its name; settings of "mine" have an optimum at
    TILE 8, UNROLL 2, MODE b, where it takes `best_s`. A name in `statuses` fails so; one in `breaks` breaks us that
    many times first."""

    def __init__(
        self,
        clock: Clock,
        *,
        best_s: float = 0.003,
        times_s: dict[str, float] | None = None,
        statuses: dict[str, Status] | None = None,
        breaks: dict[str, int] | None = None,
        noise: float = 0.01,
        evaluation_s: float = 0.5,
    ):
        self.slots, self.refill_at, self.fatal = 2, 0, ()
        self.clock, self.best_s, self.noise, self.evaluation_s = clock, best_s, noise, evaluation_s
        self.times_s = {"eager": 0.010, "torch.compile": 0.006, "torch.compile max-autotune": 0.0061} | (times_s or {})
        self.statuses, self.breaks = dict(statuses or {}), Counter(breaks or {})
        self.evaluated: list[str] = []
        self.certified: list[str] = []
        self.stopped = 0
        self.closed = False

    def true_s(self, candidate: Candidate) -> float:
        if family(candidate) in self.times_s:
            return self.times_s[family(candidate)]
        settings = candidate.params
        off = abs([1, 2, 4, 8, 16, 32].index(settings["TILE"]) - 3) + abs([1, 2, 4].index(settings["UNROLL"]) - 1)
        return self.best_s * (1 + 0.25 * off + (settings["MODE"] != "b") * 0.3)

    def prepare(self, candidates, patience_s: float) -> None:
        """Nothing needs to be built."""

    def submit(self, candidate, bounds) -> Future[Record]:
        future: Future[Record] = Future()
        self.evaluated.append(candidate.digest)
        if self.breaks[family(candidate)] > 0:
            self.breaks[family(candidate)] -= 1
            self.clock.now += 0.1
            future.set_exception(OSError("the socket closed"))
        else:
            asked = bounds()
            future.set_result(self._record(candidate, asked.stop_above_s, asked.timeout_s))
        return future

    def _record(self, candidate: Candidate, stop_above_s: float | None, timeout_s: float) -> Record:
        status = self.statuses.get(family(candidate))
        if status is not None:
            self.clock.now += timeout_s if status is Status.TIMEOUT else 0.2
            return failed(candidate, CandidateError(status, "as simulated"))
        cost_s = 12.0 if candidate.origin == "compiled" else self.evaluation_s
        self.clock.now += min(cost_s, timeout_s)
        if cost_s > timeout_s:
            return failed(candidate, CandidateError(Status.TIMEOUT, "simulated time ran out"))
        draw = random.Random(candidate.digest)
        time_s = self.true_s(candidate) * (1 + self.noise * draw.uniform(-1, 1))
        stopped = stop_above_s is not None and time_s > stop_above_s
        self.stopped += stopped
        return self._passed(candidate, "measure", time_s, stopped, cost_s)

    def _passed(self, candidate: Candidate, tier: str, time_s: float, stopped: bool, cost_s: float) -> Record:
        measurement = Measurement(
            median_s=time_s,
            ci_low_s=time_s * (1 - self.noise),
            ci_high_s=time_s * (1 + self.noise),
            samples_s=(time_s,) * 3,
            blocks=3,
            method="simulated",
            state="warm",
            stopped=stopped,
        )
        return Record(
            candidate=candidate.digest,
            name=candidate.name,
            origin=candidate.origin,
            params=candidate.params,
            tier=tier,
            verdict=Verdict(status=Status.PASSED, tier=tier),
            measurement=measurement,
            bound=Bound(achievable_s=0.002),
            cost=EvaluationCost(check_s=cost_s / 2, measure_s=cost_s / 2),
            created=0.0,
        )

    def working(self):
        return nullcontext()

    def compare(self, candidates: Sequence[Candidate], budget_s: float):
        self.clock.now += 2.0 * len(candidates) + budget_s
        times = {c.digest: self.true_s(c) for c in candidates}
        records = {c.digest: self._passed(c, "measure", times[c.digest], False, 1.0) for c in candidates}
        pairs = [(a, b, times[a] / times[b]) for a in times for b in times if a != b]
        return records, [
            Comparison(name=a, baseline=b, ratio=r, ci_low=r * 0.99, ci_high=r * 1.01, rounds=20) for a, b, r in pairs
        ]

    def certify(self, candidate: Candidate, timeout_s: float) -> Record:
        self.clock.now += 4.0
        self.certified.append(candidate.digest)
        status = self.statuses.get(f"certify {family(candidate)}")
        if status is not None:
            return failed(candidate, CandidateError(status, "as simulated"))
        return self._passed(candidate, "certify", self.true_s(candidate), False, 1.0)

    def close(self) -> None:
        self.closed = True
