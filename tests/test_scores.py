"""Scores on exact numbers: bounds, speed-ups, the SOL score and its corners, fast_p, weighted means."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilewright.scores import (
    SolScore,
    fast_p,
    fraction_of_bound,
    geometric_mean,
    mean_score,
    sol_score,
    speedup,
    verdict_of,
)


def test_fractions_and_speedups_are_never_clamped() -> None:
    assert fraction_of_bound(4e-3, 1e-3) == 0.25
    assert fraction_of_bound(1e-3, 2e-3) == 2.0
    assert speedup(2e-3, 5e-3) == 2.5
    assert [fraction_of_bound(None, 1.0), fraction_of_bound(1.0, None), speedup(None, 1.0), speedup(1.0, None)] == [
        None
    ] * 4


@pytest.mark.parametrize(
    ("time_s", "baseline_s", "sol_s", "published", "counted"),
    [
        (10.0, 10.0, 2.0, 0.5, 0.5),  # at the baseline
        (2.0, 10.0, 2.0, 1.0, 1.0),  # at the bound
        (6.0, 10.0, 2.0, 2 / 3, 2 / 3),
        (26.0, 10.0, 2.0, 0.25, 0.25),
        (9.0, 20.0, 10.0, 10 / 9, 1.0),  # below the bound: more than 1 as published
        (2.0, 20.0, 10.0, 5.0, 1.0),
        (4.0, 16.0, 10.0, None, 1.0),  # T_k = 2 T_SOL - T_b: division by zero
        (1.0, 16.0, 10.0, -2.0, 1.0),  # and beyond: negative
        (3.0, 2.0, 2.0, 0.0, 0.0),  # the baseline is at the bound
        (2.0, 2.0, 2.0, 1.0, 1.0),
        (1.0, 1.0, 2.0, 1.0, 1.0),
    ],
)
def test_the_sol_score_is_the_published_one_and_its_corners_are_explained(
    time_s: float, baseline_s: float, sol_s: float, published: float | None, counted: float
) -> None:
    found = sol_score(time_s, baseline_s, sol_s)
    assert found.published == (None if published is None else pytest.approx(published))
    assert found.counted == pytest.approx(counted)
    assert bool(found.why) == (time_s < sol_s or baseline_s <= sol_s)


def test_a_failure_has_no_score() -> None:
    assert sol_score(None, 10.0, 2.0) == SolScore(0.0, 0.0, "failed")


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3), st.floats(1e-6, 1e3))
def test_a_faster_kernel_never_counts_for_less(time_s: float, baseline_s: float, sol_s: float) -> None:
    slow, fast = sol_score(time_s, baseline_s, sol_s), sol_score(0.7 * time_s, baseline_s, sol_s)
    assert 0 <= slow.counted <= fast.counted <= 1


def test_failures_stay_in_the_denominator_of_fast_p() -> None:
    assert fast_p([2.0, 1.0, 0.5, None]) == 0.25
    assert fast_p([2.0, 1.0, 0.5, None], 0.0) == 0.75
    assert fast_p([]) is None


def test_geometric_means_are_weighted_by_calls_and_say_of_how_many_they_are() -> None:
    assert geometric_mean([2.0, 8.0]).value == pytest.approx(4.0)
    weighted = geometric_mean([2.0, 16.0], [2, 1])
    assert (weighted.value, weighted.known, weighted.total, weighted.weight) == (pytest.approx(4.0), 2, 2, 1.0)
    failed = geometric_mean([2.0, None, 8.0], [1, 2, 1])
    assert (failed.value, failed.known, failed.total, failed.weight) == (pytest.approx(4.0), 2, 3, 0.5)
    assert geometric_mean([None]).value is None
    assert geometric_mean([3.0, 100.0], [1, 0]).value == pytest.approx(3.0)
    with pytest.raises(ValueError, match="above 0"):
        geometric_mean([0.0])
    with pytest.raises(ValueError, match="as many weights"):
        geometric_mean([1.0], [1, 2])


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=8))
def test_a_geometric_mean_lies_between_its_values(values: list[float]) -> None:
    mean = geometric_mean(values).value
    assert mean is not None
    assert min(values) * (1 - 1e-9) <= mean <= max(values) * (1 + 1e-9)
    inverse = geometric_mean([1 / v for v in values]).value
    assert inverse is not None
    assert math.isclose(mean * inverse, 1.0)


def test_a_mean_score_counts_failures_as_nothing() -> None:
    scores = [sol_score(2.0, 10.0, 2.0), sol_score(10.0, 10.0, 2.0), sol_score(None, 10.0, 2.0)]
    assert mean_score(scores) == pytest.approx(0.5)
    assert mean_score(scores, [1, 1, 2]) == pytest.approx(1.5 / 4)
    assert mean_score([]) is None


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.5, 0.99, "faster"), (0.9, 1.02, "level"), (0.9, 1.03, "unclear"), (1.03, 1.1, "slower"), (1.0, 1.0, "level")],
)
def test_intervals_decide_only_what_they_leave_no_doubt_of(low: float, high: float, verdict: str) -> None:
    assert verdict_of(low, high, 1.02) == verdict
