"""Look-ups, kept blocks, quantised formats and attention: their costs and bounds against hand calculation."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from machines import H200, cpu, gpu
from tilewright.bound import bound
from tilewright.cost import Cost, Gather, ScoredPairs
from tilewright.device import Device
from tilewright.work import KeptBlocks, attention_cost, bits_of, sparse_matmul_cost, stored_bytes

MASK = [[True, False, True], [True, False, False]]


@pytest.mark.parametrize(
    ("gather", "least", "moved"),
    [
        # 1000 sectors of 8 rows; 1 of 80 rows is hit, so that a sector stays untouched with (79/80)^8 = 0.9043: 95.7
        (Gather(rows=100, row_bytes=4, table_rows=8000, distinct=100), 400, 96 * 32),
        (Gather(rows=8, row_bytes=4, table_rows=8, distinct=8), 32, 32),
        (Gather(rows=10, row_bytes=48, table_rows=1000, distinct=10), 480, 10 * 64),
        (Gather(rows=10, row_bytes=128, table_rows=1000, distinct=10), 1280, 1280),
        # a million look-ups hit every one of ten rows, and repeats come from the cache
        (Gather(rows=10**6, row_bytes=32, table_rows=10), 32, 320),
        # 2 draws of 2 rows hit 2 (1 - 1/4) = 1.5 of them, of 2 sectors each
        (Gather(rows=2, row_bytes=64, table_rows=2), 64, 3 * 32),
        (Gather(rows=0, row_bytes=64, table_rows=2), 0, 0),
    ],
    ids=["narrow", "whole table", "odd", "aligned", "repeats", "expected", "none"],
)
def test_look_ups_move_whole_sectors_once(gather: Gather, least: int, moved: int) -> None:
    assert (gather.least_bytes, gather.moved_bytes(32)) == (least, moved)


def test_look_ups_are_certain_in_the_hard_bound_and_expected_in_the_other() -> None:
    gather = Gather(rows=10**8, row_bytes=4, table_rows=10**9, distinct=10**8)
    cost = Cost(bytes_read=10**8 * 4, bytes_written=0, gathers=(gather,))  # the indices, and the rows
    found = bound(cost, gpu())
    assert found.hard_s == pytest.approx(2 * 4e8 / 4.8e12)
    sectors = (10**9 / 8) * (1 - 0.9**8)
    assert found.achievable_s == pytest.approx((4e8 + 32 * sectors) / 4450e9, rel=1e-6)
    assert (found.quality, found.limiter) == ("ok", "memory")
    assert (
        "in 32 B sectors, 100000000 look-ups of 4 B in 1000000000 rows, 100000000 distinct certain" in found.derivation
    )
    assert "look-ups 400 MB: each certain row once" in found.hard_derivation
    assert found.bytes_moved == 4 * 10**8 + gather.moved_bytes(32)
    assert gather.moved_bytes(64) > gather.moved_bytes(32)  # a CPU moves lines
    assert "in 64 B sectors" in bound(cost, cpu()).derivation
    random = cost.with_(gathers=(gather.with_(distinct=None),))
    assert bound(random, H200).hard_s == pytest.approx((4e8 + 4) / 4.8e12)


def test_rows_of_whole_sectors_that_are_certain_leave_a_narrow_bound() -> None:
    gather = Gather(rows=10**6, row_bytes=8192, table_rows=10**7, distinct=10**6)
    assert bound(Cost(bytes_read=0, bytes_written=0, gathers=(gather,)), gpu()).quality == "narrow"


def test_more_distinct_rows_than_there_can_be_are_refused() -> None:
    with pytest.raises(ValueError, match="3 distinct rows of 2 look-ups in 9 rows: at most 2"):
        Gather(rows=2, row_bytes=4, table_rows=9, distinct=3)


@pytest.mark.parametrize("mask", [MASK, torch.tensor(MASK)], ids=["lists", "tensor"])
def test_a_mask_tells_which_rows_and_columns_hold_a_block(mask: object) -> None:
    assert KeptBlocks.of_mask(mask) == KeptBlocks(2, 3, kept=3, rows_touched=2, columns_touched=2)


def test_a_count_or_density_touches_at_least_a_full_rectangle() -> None:
    assert KeptBlocks.of_count(4, 4, 5) == KeptBlocks(4, 4, kept=5, rows_touched=2, columns_touched=2)
    assert KeptBlocks.of_density(4, 4, 0.25) == KeptBlocks(4, 4, kept=4, rows_touched=1, columns_touched=1)
    assert KeptBlocks.of_count(4, 4, 0).columns_touched == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: KeptBlocks.of_count(2, 2, 5), "5 blocks are kept of 2 x 2"),
        (lambda: KeptBlocks.of_density(2, 2, 1.5), "between 0 and 1, not 1.5"),
        (lambda: KeptBlocks.of_count(0, 2, 0), "has rows and columns, not 0 x 2"),
        (lambda: KeptBlocks.of_mask([True, False]), "two dimensions"),
        (lambda: KeptBlocks.of_mask([[]]), "two dimensions"),
        (lambda: stored_bytes(8, 4, group=128), "groups have a size and bits"),
        (lambda: bits_of("bool_"), "no width is known"),
        (lambda: attention_cost(1, 1, 8, 8, 4, "float32", blocks=KeptBlocks.of_count(3, 2, 1)), "do not tile"),
        (
            lambda: attention_cost(1, 1, 8, 8, 4, "float32", causal=True, blocks=KeptBlocks.of_count(2, 2, 1)),
            "not both",
        ),
    ],
)
def test_what_cannot_be_is_refused(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()  # type: ignore[operator]


def test_a_sparse_product_moves_and_multiplies_kept_blocks_alone() -> None:
    cost = sparse_matmul_cost(KeptBlocks.of_mask(MASK), (64, 32), 128, "bfloat16", index_bytes=4)
    assert cost.flops == {"bfloat16": 2 * (3 * 64 * 32) * 128}
    assert cost.bytes_read == 2 * (3 * 64 * 32) + 2 * (2 * 32 * 128) + 3 * 4
    assert cost.bytes_written == 2 * (2 * 64) * 128
    assert "3 of 2 x 3 blocks" in cost.derivation


def test_quantised_formats_count_their_bits_and_scales() -> None:
    assert stored_bytes(4096 * 4096, 4, group=128, group_bits=16) == 4096 * 4096 * 33 // 64  # 4.125 bits each
    assert stored_bytes(10, 3) == 4  # 30 bits
    assert stored_bytes(256 * 512, 8, group=128 * 128, group_bits=32) == 256 * 512 + 8 * 4
    assert stored_bytes(129, 4, group=128, group_bits=16 + 4) == math.ceil((129 * 4 + 2 * 20) / 8)
    assert [bits_of(d) for d in ("bfloat16", "float8_e4m3fn", "int3", "tf32")] == [16, 8, 3, 32]


def test_a_quantised_product_is_bounded_by_its_stored_bytes() -> None:
    weight = stored_bytes(32768 * 32768, 4, group=128, group_bits=16)
    cost = Cost(bytes_read=weight + 2 * 32768, bytes_written=2 * 32768, flops={"bfloat16": 2 * 32768 * 32768})
    assert bound(cost, H200).hard_s == pytest.approx((32768 * 32768 * 4.125 / 8 + 2 * 32768) / 4.8e12)
    int4 = bound(cost.with_(flops={"int4": 10**15}), gpu(matrix={"int8": 1e15}))
    assert (int4.terms["compute"], int4.quality) == (pytest.approx(1.0), "loose")


def test_attention_counts_the_pairs_that_are_kept() -> None:
    dense = attention_cost(2, 8, 64, 128, 32, "bfloat16", kv_heads=2)
    pairs = 2 * 8 * 64 * 128
    assert (dense.flops, dense.special) == ({"bfloat16": 4 * pairs * 32}, pairs)
    assert dense.bytes_read == 2 * (2 * 8 * 64 * 32 + 2 * (2 * 2 * 128 * 32))
    assert dense.bytes_written == 2 * 2 * 8 * 64 * 32
    assert attention_cost(1, 1, 4, 4, 8, "float32", causal=True).special == 1 + 2 + 3 + 4
    assert attention_cost(1, 1, 4, 2, 8, "float32", causal=True).special == 1 + 2 + 2 + 2
    ahead = attention_cost(1, 1, 2, 4, 8, "float32", causal=True)  # no query sees the last two keys
    assert (ahead.special, ahead.bytes_read) == (1 + 2, 4 * (2 * 8 + 2 * 2 * 8))
    sparse = attention_cost(1, 1, 64, 96, 8, "float32", blocks=KeptBlocks.of_mask(MASK))
    assert sparse.special == 3 * 32 * 32
    assert sparse.bytes_read == 4 * (64 * 8 + 2 * (2 * 32) * 8)
    assert sparse.bytes_written == 4 * 64 * 8


def test_traffic_of_scores_by_hand() -> None:
    pairs = ScoredPairs(count=10**8, width=10, element_bytes=2)
    expected = 10**8 * 100 / (10_000 + 10 * 100) - 10_000  # M = 10^4 elements
    assert pairs.traffic_bytes(20_000) == pytest.approx(2 * expected)
    assert pairs.with_(count=10**6).traffic_bytes(20_000) == 0.0


@given(st.integers(1, 400), st.integers(1, 24), st.integers(0, 2000))
def test_schedules_that_exist_move_more_than_the_scores_need(rows: int, width: int, spare: int) -> None:
    needed = ScoredPairs(count=rows * rows, width=width, element_bytes=1)
    held = 2 * width + spare  # rows of one input stay, rows of the other pass one by one
    block = (held - width) // width
    assert needed.traffic_bytes(held) <= rows * width + -(-rows // block) * rows * width
    side = max(1, math.isqrt(held + 1) - 1)  # side^2 partial sums stay, a column of both inputs passes
    blocks = -(-rows // side)
    assert needed.traffic_bytes(side * side + 2 * side) <= blocks * blocks * 2 * side * width


SMALL = Device(
    kind="cuda", name="s", arch="x", cores=1, cache_bytes=0, memory_bytes=1 << 40,
    peaks=H200.peaks.with_(cache_bytes=0, units=1, max_clock_hz=None) if H200.peaks else None,
)  # fmt: skip


def test_scores_count_where_they_need_more_than_inputs_and_outputs_have() -> None:
    held = 2**19  # elements of two bytes in 1 MiB, of one core
    long = attention_cost(1, 1, 2**16, 2**16, 128, "bfloat16")
    needed = 2 * (2**32 * 2**14 / (held + 128 * math.sqrt(held)) - held)
    found = bound(long, SMALL)
    assert found.terms["memory"] == pytest.approx(needed / 4.8e12)
    assert needed > long.bytes_read + long.bytes_written
    assert found.quality == "loose"
    assert "the 4294967296 scores of width 128 need 227 MB with 1.05 MB on the chip, more than" in found.derivation
    short = bound(attention_cost(1, 1, 2**13, 2**13, 128, "bfloat16"), SMALL)
    assert short.terms["memory"] == pytest.approx(4 * 2**13 * 128 * 2 / 4.8e12)
    assert "less than the inputs and outputs have" in short.derivation


def test_scores_are_in_the_hard_bound_with_elements_of_one_byte() -> None:
    cost = attention_cost(1, 1, 2**18, 2**18, 128, "bfloat16").with_(flops={})
    needed = 2**36 * 2**14 / (2**20 + 128 * 2**10) - 2**20
    found = bound(cost, SMALL)
    assert found.hard_s == pytest.approx(needed / 4.8e12)
    assert "in elements of one byte" in found.hard_derivation
    inputs = attention_cost(1, 1, 2**16, 2**16, 128, "bfloat16").with_(flops={})
    assert bound(inputs, SMALL).hard_s == pytest.approx(4 * 2**16 * 128 * 2 / 4.8e12)
