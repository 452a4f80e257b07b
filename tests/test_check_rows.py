"""A check on a busy machine: what computes the right thing is not refused for a time that nothing could be given."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tilewright import check_rows
from tilewright.candidate import Candidate, Status
from tilewright.device import Device
from tilewright.problem import Problem, Workload
from tilewright.record import Record
from tilewright.verify import Verdict

CANDIDATE = Candidate(name="mine", source="def f(x): return x", entry="f")
PROBLEM = Problem(name="p", kind="module", source="class Model: pass")


class Sequence:
    """Stands for an Evaluator whose records have these statuses, for the candidate and for the reference."""

    def __init__(self, mine: list[Status], reference: list[Status]):
        self.statuses = {"mine": mine, "eager": reference}
        self.problem, self.workload = PROBLEM, Workload(name="w")
        self.device = SimpleNamespace(kind="cpu")

    def evaluate(self, candidate: Candidate, tier: str) -> Record:
        status = self.statuses[candidate.name].pop(0)
        return Record(
            candidate=candidate.digest, name=candidate.name, problem="p", problem_name="p", workload="w", device="cpu",
            tier=tier, verdict=Verdict(status=status, tier=tier, sandbox="", seeds=(1,), detail="because"),
        )  # fmt: skip


LIES, UNSTABLE, PASSED = Status.TIMING_INCONSISTENT, Status.UNSTABLE, Status.PASSED


@pytest.mark.parametrize(
    ("mine", "reference", "status"),
    [
        ([PASSED], [], PASSED),
        ([LIES, PASSED], [], PASSED),
        ([LIES, LIES], [PASSED], LIES),
        ([LIES, LIES], [LIES, PASSED], LIES),
        ([LIES, LIES], [LIES, LIES], PASSED),
        ([UNSTABLE, UNSTABLE], [], PASSED),
        ([Status.REWARD_HACK], [], Status.REWARD_HACK),
    ],
)
def test_a_lie_is_one_where_the_reference_can_be_timed(mine: Any, reference: Any, status: Status) -> None:
    sequence = Sequence(mine, reference)
    record = check_rows._judged(sequence, CANDIDATE, "certify")  # type: ignore[arg-type]
    assert record.status is status
    assert record.measurement is None
    assert not any(sequence.statuses.values())


def test_the_default_is_everything_for_a_file_of_ones_own() -> None:
    machine = Device(kind="cpu", name="c", arch="x", cores=2, cache_bytes=1, memory_bytes=1)
    assert check_rows.default_tier(CANDIDATE, machine) == "certify"
    assert check_rows.default_tier(CANDIDATE.with_(language="triton"), machine) == "measure"
    assert check_rows.default_tier(CANDIDATE.with_(origin="library"), machine) == "measure"
