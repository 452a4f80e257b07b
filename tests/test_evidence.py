"""What a verdict rests on: the worst place, the map, how each limit was derived, and how to see all of it again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch

from in_process import InProcess
from tilewright.bound import bound
from tilewright.candidate import Status
from tilewright.device import Device, Peaks
from tilewright.problem import Cost, Inputs, Problem, Workload
from tilewright.record import Record
from tilewright.verify import EVERY, TruthCache, Verdict, verify
from tilewright.verify.discrete import DISCRETE
from tilewright.verify.error_map import shade
from tilewright.verify.evidence import evidence_of

ROWS, COLUMNS = 96, 200
WORKLOAD = Workload(name="w", axes={"M": ROWS, "N": COLUMNS})


def reference(x: torch.Tensor) -> torch.Tensor:
    return torch.softmax(2 * x, -1)


PROBLEM = Problem(
    name="sharp_softmax",
    reference=reference,
    inputs=lambda w, g: Inputs({"x": torch.randn(ROWS, COLUMNS, generator=g)}),
    workloads=(WORKLOAD,),
    invariants=("deterministic",),
)
TRUTHS = TruthCache()


def check(fn: Callable[..., Any], tier: str = "certify", problem: Problem = PROBLEM, seed: int = 5) -> Verdict:
    return verify(InProcess(fn, problem), problem, tier=tier, seed=seed, truths=TRUTHS)


def one_tile_wrong(x: torch.Tensor) -> torch.Tensor:
    y = reference(x)
    y[40:48, 100:120] *= 1.01
    return y


def test_a_failure_has_a_map_that_shows_the_wrong_tile() -> None:
    found = evidence_of(check(one_tile_wrong, "measure"))
    assert found.map is not None
    wrong = {(r, c) for r, band in enumerate(found.map.values) for c, v in enumerate(band) if abs(v) > 1}
    rows, columns = found.map.cell_rows, found.map.cell_columns
    assert wrong
    assert all((r + 1) * rows - 1 >= 40 and r * rows < 48 for r, _ in wrong)
    assert all((c + 1) * columns - 1 >= 100 and c * columns < 120 for _, c in wrong)
    assert shade(0.0, "limit") == 0 and shade(1.01, "limit") == 3 and shade(99.0, "limit") == 4


def test_a_bias_is_mapped_with_its_sign_everywhere() -> None:
    narrow = PROBLEM.with_(
        name="narrow", inputs=lambda w, g: Inputs({"x": torch.randn(ROWS, COLUMNS, generator=g).bfloat16()})
    )
    verdict = check(lambda x: (reference(x.float()) * 0.998).bfloat16(), "measure", narrow)
    found = evidence_of(verdict)
    assert "signed" in found.rule and found.map is not None
    cells = [v for band in found.map.values for v in band]
    assert sum(v < 0 for v in cells) > 0.9 * len(cells) and min(cells) < -1


@pytest.mark.parametrize(("value", "status"), [(float("nan"), Status.NONFINITE), (7.0, Status.INCORRECT_NUMERICAL)])
def test_values_of_the_wrong_kind_and_wrong_integers_are_mapped_as_shares(value: float, status: Status) -> None:
    counts = PROBLEM.with_(name="counts", reference=lambda x: x.mul(3).round().to(torch.int32), invariants=())
    problem = PROBLEM if status is Status.NONFINITE else counts

    def wrong(x: torch.Tensor) -> torch.Tensor:
        y = problem.reference(x)
        y[0, :] = value
        return y

    verdict = check(wrong, "measure", problem)
    found = evidence_of(verdict).map
    assert verdict.status is status and found is not None and found.scale == "share"
    assert all(v > 0 for v in found.values[0]) and not any(v for band in found.values[1:] for v in band)


def test_every_limit_says_what_it_was_made_of() -> None:
    found = evidence_of(check(reference))
    rules = {r.rule for r in found.rules}
    assert {"RMS error", "row's RMS error", "largest error", "signed error", "row's signed error"} <= rules
    for rule in found.rules:
        assert rule.error <= rule.allowed
        stated = float(re.findall(r"= ([0-9.e+-]+)", rule.derivation)[-1].rstrip("."))
        assert stated == pytest.approx(rule.allowed, rel=0.01) or "largest" in rule.rule
    assert found.error is not None and found.allowed is not None and found.where


def test_a_certificate_says_what_was_looked_at() -> None:
    found = evidence_of(check(reference))
    judged = tuple(family for family in EVERY if family not in ("signed", *DISCRETE))  # x has both signs already
    assert found.calls == len(judged) + 1 and found.families == judged
    assert found.determinism.startswith("bitwise") and "3 runs" in found.determinism
    assert any("guard bands" in line and "intact" in line for line in found.memory)
    assert any(f"NaN before {len(judged)} of {len(judged) + 1}" in line for line in found.memory)
    assert found.seed == 5 and found.map is None


def test_the_same_seed_gives_the_same_error_to_the_last_digit() -> None:
    first = check(one_tile_wrong, seed=8)
    again = verify(InProcess(one_tile_wrong, PROBLEM), PROBLEM, tier="certify", seed=8)
    assert [w.error for w in first.workloads] == [w.error for w in again.workloads]
    assert first.workloads == again.workloads
    assert check(one_tile_wrong, seed=9).workloads[0].error != first.workloads[0].error


WRONG = """
    import torch
    from torch import nn

    class ModelNew(nn.Module):
        def __init__(self, hidden):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(hidden))
            self.bias = nn.Parameter(torch.zeros(hidden))

        def forward(self, x, index):
            rows = x[index]
            out = rows / (rows.abs().sum(-1, keepdim=True) + 1) * self.weight + self.bias
            out[3, 7] += 0.01
            return out
"""


def test_check_replays_a_failure_exactly(tilewright: Any, problem_file: str, write: Any) -> None:
    wrong = write("wrong.py", WRONG)
    first = tilewright("check", wrong, "--problem", problem_file, "--device", "cpu", "--json").json
    again = tilewright(
        "check", wrong, "--problem", problem_file, "--device", "cpu", "--replay", str(first["seed"]), "--json"
    ).json
    assert first["status"] == "INCORRECT_NUMERICAL"
    assert again["workloads"] == first["workloads"] and again["evidence"] == first["evidence"]
    assert first["evidence"]["where"] == "[3, 7]" and first["evidence"]["map"]["values"]
    shown = tilewright("check", wrong, "--problem", problem_file, "--device", "cpu").out
    assert "worst:" in shown and "own error of the reference" in shown and "█" in shown


def test_a_record_keeps_its_map() -> None:
    verdict = check(one_tile_wrong, "measure")
    record = Record(
        candidate="c", name="c", problem="p", problem_name="p", workload="w", device="cpu", tier="measure",
        verdict=verdict,
    )  # fmt: skip
    kept = json.loads(record.to_json())["verdict"]["workloads"]
    assert kept[-1]["map"]["values"] and Record.from_json(record.to_json()).verdict.workloads[-1].map


def test_the_hard_bound_says_what_it_was_made_of() -> None:
    peaks = Peaks(name="X1", match="X1", bytes_per_s=1e12, flops={"float32": 1e13}, cache_bytes=1 << 20, source="sheet")
    device = Device(
        kind="cuda", name="X1", arch="sm_90", cores=10, cache_bytes=1 << 20, memory_bytes=1 << 34, peaks=peaks
    )
    moved = bound(Cost(bytes_read=10**9, bytes_written=10**9), device).hard_derivation
    assert "1.00 GB read + 1.00 GB written" in moved and "1.00 TB/s" in moved and "X1" in moved
    computed = bound(Cost(bytes_read=1, bytes_written=1, flops={"float32": 10**12}), device).hard_derivation
    assert "1.00 Tflop float32" in computed


def test_the_page_shows_where_a_failed_candidate_is_wrong() -> None:
    from tilewright.report import RunView, render
    from tilewright.report.from_store import _failures

    record = Record(candidate="c", name="my <kernel>", verdict=check(one_tile_wrong, "measure"))
    failures = _failures([record])
    assert failures[0].map is not None and any(c.shade > 2 for row in failures[0].map.rows for c in row)
    page = render(RunView(title="t", status="NOTHING BETTER", workloads=(), failures=failures))
    assert 'class="h4"' in page and "rows 40 to 47" in page and "my &lt;kernel&gt;" in page
