"""Tables for a terminal: no word is broken while there is room, and what did not happen is not said to have."""

from __future__ import annotations

import pytest
from rich.console import Console

from tilewright import show
from tilewright.candidate import Status
from tilewright.results import BenchResult, BenchRow, CheckResult
from tilewright.verify.evidence import evidence_of
from tilewright.verify.verdict import Verdict, WorkloadVerdict

ROWS = tuple(
    BenchRow(
        op=op, impl=impl, workload=workload, device="cpu", median_s=3.04e-3, ci_low_s=2.98e-3, ci_high_s=3.07e-3,
        fraction_of_bound=0.63, speedup={"eager": 1.9, "compile": 1.28}, verified=True,
    )
    for op, workload in (("rms_norm", "llama3_8b_cpu"), ("softmax", "gpt2_attention_cpu"))
    for impl in ("cpp", "reference", "eager")
)  # fmt: skip


def shown(result: BenchResult, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    console = Console(width=width, highlight=False)
    monkeypatch.setattr(show, "_console", lambda: console)
    with console.capture() as capture:
        show.bench(result)
    return capture.get()


@pytest.mark.parametrize(("width", "interval", "verdict"), [(120, True, True), (100, True, True), (80, False, True),
                                                            (72, False, False), (60, False, False)])  # fmt: skip
def test_a_narrow_table_leaves_columns_out_before_it_breaks_words(
    width: int, interval: bool, verdict: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(BenchResult(rows=ROWS), width, monkeypatch)
    lines = [line.split() for line in text.splitlines()]
    assert all(any(row.workload in line and row.impl in line for line in lines) for row in ROWS)
    assert max(map(len, text.splitlines())) <= width
    assert ("2.98 ms to 3.07 ms" in text, "PASSED" in text) == (interval, verdict)
    assert "63 %" in text and "1.90×" in text and ("1.28×" in text) == (width > 60)


def test_what_else_was_measured_is_shown_where_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    also = {"warm_s": 1.11e-3, "eager_s": 2.22e-3, "energy_j": 3.33e-3}
    rows = (ROWS[0].with_(**also), *ROWS[1:])
    for width, shown_columns in ((140, 3), (130, 2), (120, 1), (110, 0)):
        text = shown(BenchResult(rows=rows), width, monkeypatch)
        assert [cell in text for cell in ("1.11 ms", "2.22 ms", "3.33 mJ")] == [i < shown_columns for i in range(3)]
        assert "2.98 ms to 3.07 ms" in text and max(map(len, text.splitlines())) <= width
    assert not any(name in shown(BenchResult(rows=ROWS), 160, monkeypatch) for name in ("warm", "no graph", "energy"))


def test_a_verdict_that_is_not_passed_is_never_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = ROWS[0].with_(status="INCORRECT_NUMERICAL", verified=False)
    assert "INCORRECT_NUMERICAL" in shown(BenchResult(rows=(failed, *ROWS[1:])), 80, monkeypatch)


def test_what_was_not_reached_is_not_said_to_be_intact(capsys: pytest.CaptureFixture[str]) -> None:
    evidence = evidence_of(Verdict(status=Status.COMPILE_ERROR, tier="certify", detail="no"))
    result = CheckResult(
        status="COMPILE_ERROR", target="c.py", problem="p", device="cpu", tier="certify", sandbox="", workloads=(),
        evidence=evidence,
    )  # fmt: skip
    show.check(result)
    text = capsys.readouterr().out
    assert text.count("not reached") == len(evidence.memory) and "intact" not in text
    assert "no call was made" in text


def test_what_is_no_matter_of_size_has_no_size(capsys: pytest.CaptureFixture[str]) -> None:
    entry = WorkloadVerdict(
        name="w", family="normal", seed=1, status=Status.INCORRECT_DTYPE, error=1.0, allowed=0.0, detail="out is wrong",
        output="out", rule="incorrect_dtype",
    )  # fmt: skip
    show.evidence(
        Console(highlight=False),
        evidence_of(Verdict(status=Status.INCORRECT_DTYPE, tier="screen", workloads=(entry,))),
    )
    text = capsys.readouterr().out
    assert "worst: w, normal inputs, out: incorrect_dtype\n" in text and "of 0 allowed" not in text
    assert "intact after 1 call\n" in text
