"""The two bounds against hand calculation, and costs counted from references."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tilewright.bound import bound, cost_of, count_cost
from tilewright.counting import _count
from tilewright.device import Device, Profile
from tilewright.device.machine import peaks_of
from tilewright.problem import Cost, Inputs, Problem, Workload

GB = 10**9
W = Workload(name="w")


def profile(**changes: object) -> Profile:
    flat = {"copy": 80.0, "read": 100.0, "write": 50.0}
    curves = {k: ((1 << 20, 2 * rate * GB), (1 << 30, rate * GB)) for k, rate in flat.items()}
    fields = {"matrix": {"float32": 200.0 * GB}, "call_s": 1e-6, "special_per_s": 2.0 * GB, "fingerprint": {}}
    return Profile(**{**curves, **fields, "created": "", **changes})


def cpu(**changes: object) -> Device:
    return Device(
        kind="cpu", name="c", arch="x", cores=2, cache_bytes=1 << 25, memory_bytes=1 << 34, profile=profile(**changes)
    )


H200 = Device(
    kind="cuda",
    name="NVIDIA H200",
    arch="sm_90",
    cores=132,
    cache_bytes=60 << 20,
    memory_bytes=140 * GB,
    peaks=peaks_of("NVIDIA H200"),
)


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


def gpu(**changes: object) -> Device:
    """An H200 as it was measured: cold rates below those of its cache, and a floor of one launch in a graph."""
    cold = {f"cold_{k}": ((1 << 20, 1000.0 * GB), (1 << 30, r * GB)) for k, r in RATES.items()}
    warm = {k: ((1 << 20, 5000.0 * GB), (1 << 30, r * GB)) for k, r in RATES.items()}
    matrix = {"bfloat16": 800e12, "tf32": 400e12, "float32": 50e12}
    fields = {"matrix": matrix, "call_s": 12e-6, "graph_launch_s": 1.3e-6, "special_per_s": 4e12}
    return H200.with_(profile=profile(**{**cold, **warm, **fields, **changes}))


RATES = {"copy": 4200.0, "read": 4450.0, "write": 4650.0}


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


@given(
    st.integers(1, 10**13),
    st.integers(0, 10**13),
    st.dictionaries(
        st.sampled_from(["float32", "float64", "bfloat16", "int8", "float8_e4m3fn"]), st.integers(1, 10**16)
    ),
)
def test_hard_is_never_above_what_the_datasheet_achieves(read: int, written: int, flops: dict[str, int]) -> None:
    found = bound(Cost(bytes_read=read, bytes_written=written, flops=flops), H200)
    assert found.hard_s is not None
    assert found.achievable_s is not None
    assert found.hard_s <= found.achievable_s * (1 + 1e-9)


def problem(reference: object, cost: object = None, **shapes: tuple[int, ...]) -> Problem:
    def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
        dtype = getattr(torch, workload.dtype)
        return Inputs(args={k: torch.randn(s, generator=generator).to(dtype) for k, s in shapes.items()})

    return Problem(name="p", reference=reference, inputs=inputs, cost=cost, workloads=(W,))


def test_real_data_count_the_same_as_shapes() -> None:
    posed = problem(lambda a, b: torch.softmax(a @ b, -1)[:10], a=(64, 32), b=(32, 16))
    on_shapes, on_data = count_cost(posed, W), _count(posed, W, "on real data")
    assert on_shapes.with_(derivation="") == on_data.with_(derivation="")


def test_counting_a_matrix_product() -> None:
    found = count_cost(problem(lambda a, b: a @ b, a=(64, 32), b=(32, 16)), W.with_(dtype="bfloat16"))
    assert found.flops == {"bfloat16": 2 * 64 * 32 * 16}
    assert (found.bytes_read, found.bytes_written) == (2 * (64 * 32 + 32 * 16), 2 * 64 * 16)
    assert found.quality == "counted"


def test_counting_a_norm_sees_every_pass_but_moves_each_byte_once() -> None:
    found = count_cost(
        problem(lambda x, w: x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6) * w, x=(128, 256), w=(256,)), W
    )
    assert (found.bytes_read, found.bytes_written) == (4 * (128 * 256 + 256), 4 * 128 * 256)
    assert found.special == 128
    assert found.flops["float32"] == 4 * 128 * 256 + 2 * 128


def test_counting_needs_no_memory() -> None:
    found = count_cost(problem(lambda x: x + 1, x=(1 << 20, 1 << 20)), W)
    assert found.bytes_read == found.bytes_written == 4 << 40


def test_only_what_is_looked_at_is_read() -> None:
    part = count_cost(problem(lambda x: x[:10] * 2, x=(100, 8)), W)
    assert part.bytes_read == part.bytes_written == 10 * 8 * 4
    unused = count_cost(problem(lambda x, y: x * 2, x=(100,), y=(10**6,)), W)
    assert unused.bytes_read == 400


def test_a_table_is_read_where_it_is_looked_up_and_initialisation_is_no_work() -> None:
    class Lookup(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(1000, 16)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.table(ids) * 2

    def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
        ids = torch.randint(0, 1000, (12,), generator=generator)
        return Inputs(args={"ids": ids}, state=dict(Lookup().state_dict()))

    found = count_cost(Problem(name="p", kind="module", reference=Lookup, inputs=inputs), W)
    assert found.bytes_read == 12 * 8 + 12 * 16 * 4
    assert found.flops == {"float32": 12 * 16}


def test_a_reference_that_branches_on_data_is_counted_on_real_data() -> None:
    found = count_cost(problem(lambda x: x * 2 if x.sum().item() > 0 else x * 3, x=(10, 10)), W)
    assert "on real data" in found.derivation
    assert found.bytes_written == 400


def test_errors_of_the_reference_are_its_own() -> None:
    def broken(x: torch.Tensor) -> torch.Tensor:
        raise KeyError("the reference is broken")

    with pytest.raises(KeyError, match="the reference is broken"):
        count_cost(problem(broken, x=(2,)), W)


def test_a_declared_cost_is_taken_as_it_is() -> None:
    declared = Cost(bytes_read=7, bytes_written=9)
    assert cost_of(problem(lambda x: x, cost=lambda workload: declared, x=(2,)), W) is declared
    assert cost_of(problem(lambda x: x * 1, x=(2,)), W).quality == "counted"


def test_attention_has_the_operations_of_its_two_products() -> None:
    call = problem(
        torch.nn.functional.scaled_dot_product_attention, query=(2, 4, 64, 32), key=(2, 4, 64, 32), value=(2, 4, 64, 32)
    )
    found = count_cost(call, W)
    assert math.isclose(found.flops["float32"], 2 * (2 * 2 * 4 * 64 * 64 * 32), rel_tol=0.05)
