"""The two bounds against hand calculation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines import GB, H200, cpu, gpu
from tilewright.bound import Bound, bound
from tilewright.device import Device
from tilewright.problem import Cost


@pytest.mark.parametrize(
    ("read", "written", "expected_s"),
    [(8 * GB, 8 * GB, 0.2), (8 * GB, 0, 0.08), (0, 8 * GB, 0.16), (16 * GB, 8 * GB, 0.2 + 0.08)],
    ids=["copy", "read only", "write only", "two to one"],
)
def test_memory_time_follows_the_mix(read: int, written: int, expected_s: float) -> None:
    found = bound(Cost(bytes_read=read, bytes_written=written), cpu())
    assert found.achievable_s == pytest.approx(expected_s)
    assert found.limiter == "memory"


def test_warm_rows_use_the_rate_of_their_size_and_cold_rows_that_of_memory() -> None:
    cost = Cost(bytes_read=1 << 19, bytes_written=1 << 19)
    assert bound(cost, cpu(), cold=False).achievable_s == pytest.approx((1 << 20) / (160 * GB))
    assert bound(cost, cpu(), cold=True).achievable_s == pytest.approx((1 << 20) / (80 * GB))


def test_cold_rows_of_a_gpu_take_the_rates_that_were_measured_cold_at_their_size() -> None:
    small = Cost(bytes_read=1 << 19, bytes_written=1 << 19)
    assert bound(small, gpu(), cold=True).achievable_s == pytest.approx(1.3e-6)
    few_launches = gpu(graph_launch_s=1e-9)
    assert bound(small, few_launches, cold=True).terms["memory"] == pytest.approx((1 << 20) / (1000 * GB))
    assert bound(small, few_launches, cold=False).terms["memory"] == pytest.approx((1 << 20) / (5000 * GB))
    large = bound(Cost(bytes_read=8 * GB, bytes_written=4 * GB), gpu())
    assert large.achievable_s == pytest.approx(8 / 4200 + 4 / 4450)


def test_the_floor_of_a_gpu_is_a_launch_in_a_graph() -> None:
    found = bound(Cost(bytes_read=4, bytes_written=4), gpu())
    assert (found.limiter, found.achievable_s, found.quality) == ("call", 1.3e-6, "ok")
    assert "one launch in a graph" in found.derivation


def test_float32_products_are_held_to_float32_unless_tf32_is_in_the_cost() -> None:
    work = Cost(bytes_read=1, bytes_written=1, flops={"float32": 10**14})
    assert bound(work, gpu()).achievable_s == pytest.approx(2.0)
    assert bound(work.with_(flops={"tf32": 10**14}), gpu()).achievable_s == pytest.approx(0.25)
    assert bound(work, gpu()).quality == "narrow"


def test_a_gpu_that_others_used_gives_a_loose_bound() -> None:
    found = bound(Cost(bytes_read=GB, bytes_written=GB), gpu(load=0.8))
    assert found.quality == "loose"
    assert "others used the GPU" in found.derivation


@pytest.mark.parametrize(
    ("cost", "limiter", "expected_s"),
    [
        (Cost(bytes_read=1, bytes_written=1, flops={"float32": 200 * GB}), "compute", 1.0),
        (Cost(bytes_read=1, bytes_written=1, special=2 * GB), "special", 1.0),
        (Cost(bytes_read=1, bytes_written=1), "call", 1e-6),
    ],
)
def test_the_longest_part_limits(cost: Cost, limiter: str, expected_s: float) -> None:
    found = bound(cost, cpu())
    assert (found.limiter, found.achievable_s) == (limiter, pytest.approx(expected_s))
    assert found.terms[limiter] == found.achievable_s


def test_a_narrow_dtype_runs_at_least_as_fast_as_the_one_it_widens_to() -> None:
    cost = Cost(bytes_read=1, bytes_written=1, flops={"bfloat16": 200 * GB})
    slow = cpu(matrix={"float32": 200.0 * GB, "bfloat16": 1.0 * GB})
    assert bound(cost, slow).achievable_s == pytest.approx(1.0)
    assert bound(cost, slow).quality == "loose"
    fast = cpu(matrix={"float32": 200.0 * GB, "bfloat16": 400.0 * GB})
    assert bound(cost, fast).achievable_s == pytest.approx(0.5)


def test_quality_says_how_far_to_trust_it() -> None:
    memory = Cost(bytes_read=8 * GB, bytes_written=8 * GB)
    both = memory.with_(flops={"float32": 30 * GB})
    faults = cpu(fresh_write=((1 << 20, 1.0 * GB),))
    assert bound(memory, cpu()).quality == "narrow"
    assert bound(both, cpu()).quality == "ok"
    assert bound(memory, faults).quality == "ok"
    assert bound(memory, faults).fresh_s == pytest.approx(8.0)
    assert bound(memory.with_(quality="counted"), cpu()).quality == "loose"
    assert bound(memory, H200).quality == "loose"
    assert bound(memory, cpu(load=2.0)).quality == "loose"
    assert "2.0 cores busy" in bound(memory, cpu(load=2.0)).derivation
    assert bound(memory, cpu().with_(profile=None)).quality == "vacuous"
    assert bound(memory, cpu().with_(profile=None)).achievable_s is None


def test_the_derivation_is_one_line_with_numbers_and_units() -> None:
    text = bound(Cost(bytes_read=8 * GB, bytes_written=8 * GB, flops={"float32": GB}), cpu()).derivation
    assert "\n" not in text
    for words in ("8.00 GB read", "80.0 GB/s", "1.00 Gflop float32", "200 Gflop/s", "no hard bound"):
        assert words in text


def test_fractions_above_one_are_kept() -> None:
    found = bound(Cost(bytes_read=8 * GB, bytes_written=8 * GB), cpu())
    assert found.fraction(0.1) == pytest.approx(2.0)
    assert found.fraction(None) is None


def test_hard_bound_counts_reads_and_the_writes_that_no_cache_can_keep() -> None:
    read = Cost(bytes_read=int(4.8e9), bytes_written=0)
    assert bound(read, H200).hard_s == pytest.approx(1e-3)
    kept = read.with_(bytes_written=60 << 20)
    assert bound(kept, H200).hard_s == pytest.approx(1e-3)
    spilled = read.with_(bytes_written=(60 << 20) + int(4.8e9))
    assert bound(spilled, H200).hard_s == pytest.approx(2e-3)


def test_hard_bound_of_operations_allows_the_highest_clock_and_the_fastest_format() -> None:
    bf16 = bound(Cost(bytes_read=1, bytes_written=1, flops={"bfloat16": 10**15}), H200).hard_s
    assert bf16 == pytest.approx(10**15 / (132 * 4096 * 1.98e9), rel=1e-3)
    fp32 = bound(Cost(bytes_read=1, bytes_written=1, flops={"float32": 10**15}), H200).hard_s
    assert fp32 is not None
    assert fp32 < 10**15 / 494.7e12  # no slower than the tf32 datasheet rate
    more = bound(Cost(bytes_read=1, bytes_written=1, flops={"bfloat16": 10**15}), H200.with_(cores=2 * 132)).hard_s
    assert more == pytest.approx(bf16 / 2)


@pytest.mark.parametrize(
    ("device", "cost", "cold"),
    [
        (cpu(), Cost(bytes_read=GB, bytes_written=0), True),
        (H200, Cost(bytes_read=GB, bytes_written=0), False),
        (H200, Cost(bytes_read=GB, bytes_written=0, quality="counted"), True),
    ],
    ids=["no datasheet", "warm", "counted"],
)
def test_what_is_not_certain_rejects_nothing(device: Device, cost: Cost, cold: bool) -> None:
    assert bound(cost, device, cold).hard_s is None


FLOPS = st.dictionaries(
    st.sampled_from(["float32", "float64", "bfloat16", "int8", "float8_e4m3fn"]), st.integers(1, 10**16)
)
COSTS = st.builds(Cost, bytes_read=st.integers(1, 10**13), bytes_written=st.integers(0, 10**13), flops=FLOPS)


@given(st.lists(COSTS, min_size=1, max_size=3))
def test_hard_is_never_above_what_the_datasheet_achieves(phases: list[Cost]) -> None:
    for cost in (phases[0], Cost.in_phases(*phases)):
        found = bound(cost, H200)
        assert found.hard_s is not None
        assert found.achievable_s is not None
        assert found.hard_s <= found.achievable_s * (1 + 1e-9)


READ_1_MS = int(4.8e9)  # bytes, at the datasheet's bandwidth of an H200
ON_CHIP = (60 << 20) + 132 * (1 << 20)


def test_phases_take_the_sum_of_what_limits_each() -> None:
    move, compute = Cost(bytes_read=8 * GB, bytes_written=8 * GB), Cost(bytes_read=1, bytes_written=1)
    compute = compute.with_(flops={"float32": 200 * GB})
    found = bound(Cost.in_phases(move, compute), cpu())
    assert found.achievable_s == pytest.approx(0.2 + 1.0)
    assert (found.limiter, found.quality, found.bytes_moved) == ("compute", "narrow", 16 * GB + 2)
    assert "phase 1 of 2 200 ms (memory)" in found.derivation
    assert "phase 2 of 2 1.00 s (compute)" in found.derivation
    together = bound(move.with_(flops=compute.flops), cpu())
    assert together.achievable_s == pytest.approx(1.0)


def test_a_later_phase_finds_in_the_cache_what_fits_into_it() -> None:
    phase = Cost(bytes_read=1 << 20, bytes_written=1 << 20)
    found = bound(Cost.in_phases(phase, phase), cpu(call_s=1e-9))
    warm_rate = 160 * GB * 0.5**0.1  # 2 MiB are a tenth of the way from 1 MiB to 1 GiB, in powers of two
    assert found.achievable_s == pytest.approx((2 << 20) / (80 * GB) + (2 << 20) / warm_rate)
    large = Cost(bytes_read=20 << 20, bytes_written=0)  # twice that is more than the cache of 32 MiB
    found = bound(Cost.in_phases(large, large), cpu(call_s=1e-9))
    assert found.achievable_s == pytest.approx(2 * (20 << 20) / (100 * GB))


def test_the_hard_bound_of_phases_leaves_out_what_the_chip_may_hold_between_them() -> None:
    first, second = Cost(bytes_read=READ_1_MS, bytes_written=0), Cost(bytes_read=ON_CHIP + READ_1_MS, bytes_written=0)
    found = bound(Cost.in_phases(first, second), H200)
    assert found.hard_s == pytest.approx(2e-3)
    assert "phase 2 1.00 ms" in found.hard_derivation and "less 201 MB that the chip may hold" in found.hard_derivation
    kept = Cost(bytes_read=READ_1_MS, bytes_written=ON_CHIP)  # what it writes may stay on the chip, for the next phase
    last = Cost(bytes_read=0, bytes_written=(60 << 20) + READ_1_MS)
    assert bound(Cost.in_phases(kept, last), H200).hard_s == pytest.approx(2e-3)
    work = Cost(bytes_read=1, bytes_written=1, flops={"bfloat16": 10**15})
    assert bound(Cost.in_phases(work, work), H200).hard_s == pytest.approx(2 * (bound(work, H200).hard_s or 0))


def test_phases_are_declared_and_flat() -> None:
    one = Cost(bytes_read=1, bytes_written=1)
    for phase in (Cost.in_phases(one, one), one.with_(quality="counted")):
        with pytest.raises(ValueError, match="a declared cost without phases of its own"):
            Cost.in_phases(one, phase)


def test_launches_that_follow_each_other_add_up() -> None:
    cost = Cost(bytes_read=1, bytes_written=1, launches=3)
    assert bound(cost, gpu()).achievable_s == pytest.approx(3 * 1.3e-6)
    assert "3 launches in a graph 3.90 µs" in bound(cost, gpu()).derivation
    inside = Cost.in_phases(cost, cost.with_(launches=0))
    assert bound(inside, gpu()).achievable_s == pytest.approx(3 * 1.3e-6, rel=1e-3)


def test_work_outside_matrix_units_takes_the_rate_of_float32_products_and_twice_that_packed() -> None:
    work = Cost(bytes_read=1, bytes_written=1, vector={"float32": 10**14})
    assert bound(work, gpu()).terms["vector"] == pytest.approx(10**14 / 50e12)
    packed = bound(work.with_(vector={"bfloat16": 10**14}), gpu())
    assert (packed.terms["vector"], packed.limiter, packed.quality) == (pytest.approx(1.0), "vector", "ok")
    assert "100 Tflop bfloat16 outside matrix units at 100 Tflop/s" in packed.derivation


@pytest.mark.parametrize(("tier", "limiter", "rate"), [("cache", "cache", 5e12), ("host to device", "link", 5e10)])
def test_bytes_of_other_tiers_take_their_own_rate(tier: str, limiter: str, rate: float) -> None:
    cost = Cost(bytes_read=1, bytes_written=1, tiers={tier: int(rate)})
    found = bound(cost, gpu(links={"host to device": 5e10}))
    assert (found.achievable_s, found.limiter, found.quality) == (pytest.approx(1.0), limiter, "narrow")
    assert f"{tier} 1.00 s" in found.derivation


def test_a_rate_that_is_missing_is_named_and_makes_the_bound_loose() -> None:
    cost = Cost(bytes_read=GB, bytes_written=GB, tiers={"peer cuda:1": GB}, flops={"complex64": 5})
    found = bound(cost, gpu())
    assert found.quality == "loose"
    for words in ("no rate is known for 1.00 GB peer cuda:1", "no rate is known for 5.00 flop complex64"):
        assert words in found.derivation


def test_the_hard_bound_leaves_out_what_is_only_expected() -> None:
    sure = Cost(bytes_read=GB, bytes_written=GB)
    more = sure.with_(vector={"float32": 10**18}, special=10**18, tiers={"cache": 10**18}, launches=10**6)
    assert bound(more, H200).hard_s == bound(sure, H200).hard_s


def test_what_was_written_before_these_fields_loads_and_means_the_same() -> None:
    old = '{"version":1,"bytes_read":7,"bytes_written":9,"flops":{"float32":3},"special":1,"quality":"declared"}'
    assert Cost.from_json(old) == Cost(bytes_read=7, bytes_written=9, flops={"float32": 3}, special=1)
    text = '{"version":1,"hard_s":null,"achievable_s":2.0,"limiter":"memory","quality":"ok","terms":{"memory":2.0}}'
    assert Bound.from_json(text).terms == {"memory": 2.0}
    phased = Cost.in_phases(Cost(bytes_read=1, bytes_written=2), Cost(bytes_read=3, bytes_written=4, launches=0))
    assert Cost.from_json(phased.to_json()) == phased
    assert (phased.bytes_read, phased.bytes_written, phased.launches) == (4, 6, 1)
