"""Costs that are counted from references, against hand calculation."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tilewright.bound import cost_of, count_cost
from tilewright.counting import _count
from tilewright.problem import Cost, Inputs, Problem, Workload

W = Workload(name="w")


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


def randn(*shape: int) -> Callable[[torch.Generator], torch.Tensor]:
    return lambda generator: torch.randn(shape, generator=generator)


def posed(reference: Callable[..., object], **args: object) -> Problem:
    """A problem whose arguments are lists of indices, or drawn by functions of the generator."""

    def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
        named = {k: args[k] for k in inspect.signature(reference).parameters}
        return Inputs(args={k: v(generator) if callable(v) else torch.tensor(v) for k, v in named.items()})

    return Problem(name="p", reference=reference, inputs=inputs, workloads=(W,))


ROW = 16 * 4  # bytes of a row of `table`
TABLE, QKV = {"table": randn(1000, 16)}, {"q": randn(2, 4, 64, 32)}
# Bytes read and written, operations, special functions: by hand.
COUNTED: dict[str, tuple[Problem, int, int, int, int]] = {
    "softmax": (posed(lambda x: torch.softmax(x, -1), x=randn(8, 32)), 8 * 32 * 4, 8 * 32 * 4, 4 * 8 * 32, 8 * 32),
    "layer norm": (
        posed(lambda x, w, b: F.layer_norm(x, (32,), w, b), x=randn(8, 32), w=randn(32), b=randn(32)),
        (8 * 32 + 2 * 32) * 4, 8 * 32 * 4, 7 * 8 * 32, 0,
    ),
    "mlp": (
        posed(lambda x, a, b: F.relu(x @ a) @ b, x=randn(16, 32), a=randn(32, 64), b=randn(64, 8)),
        (16 * 32 + 32 * 64 + 64 * 8) * 4, 16 * 8 * 4, 2 * 16 * 32 * 64 + 16 * 64 + 2 * 16 * 64 * 8, 0,
    ),
    "attention": (
        posed(lambda q: F.scaled_dot_product_attention(q, q, q), **QKV),
        2 * 4 * 64 * 32 * 4, 2 * 4 * 64 * 32 * 4, 4 * (2 * 4 * 64 * 64) * 32, 2 * 4 * 64 * 64,
    ),
    "causal attention": (
        posed(lambda q: F.scaled_dot_product_attention(q, q, q, is_causal=True), **QKV),
        2 * 4 * 64 * 32 * 4, 2 * 4 * 64 * 32 * 4, 4 * (2 * 4 * 64 * 65 // 2) * 32, 2 * 4 * 64 * 65 // 2,
    ),
    "conv": (
        posed(lambda x, w: F.conv2d(x, w), x=randn(2, 4, 8, 8), w=randn(6, 4, 3, 3)),
        (2 * 4 * 8 * 8 + 6 * 4 * 9) * 4, 2 * 6 * 6 * 6 * 4, 2 * (2 * 6 * 6 * 6) * (4 * 9), 0,
    ),
    "grouped conv": (
        posed(lambda x, w: F.conv2d(x, w, groups=4), x=randn(2, 4, 8, 8), w=randn(4, 1, 3, 3)),
        (2 * 4 * 8 * 8 + 4 * 9) * 4, 2 * 4 * 6 * 6 * 4, 2 * (2 * 4 * 6 * 6) * 9, 0,
    ),
    "embedding": (
        posed(lambda i, table: F.embedding(i, table), i=[3, 1, 4, 1], **TABLE), 4 * 8 + 3 * ROW, 4 * ROW, 0, 0
    ),
    "embedding bag": (
        posed(lambda i, table: F.embedding_bag(i[None], table), i=[3, 1, 4, 1], **TABLE),
        4 * 8 + 3 * ROW, ROW, 4 * 16, 0,
    ),
    "index_select": (
        posed(lambda table, i: table.index_select(0, i), i=[5, 5, 5, 7], **TABLE), 4 * 8 + 2 * ROW, 4 * ROW, 0, 0
    ),
    "columns": (
        posed(lambda table, i: table.index_select(1, i), i=[5, 5], **TABLE), 2 * 8 + 1000 * 4, 1000 * 2 * 4, 0, 0
    ),
    "negative index": (posed(lambda table, i: table[i], i=[-1, 999], **TABLE), 2 * 8 + ROW, 2 * ROW, 0, 0),
    "two indices": (
        posed(lambda table, i, j: table[i, j], i=[1, 1, 2], j=[3, 3, 3], **TABLE), 6 * 8 + 2 * 4, 3 * 4, 0, 0
    ),
    "take": (posed(lambda table, i: table.take(i), i=[5, 5, 7], **TABLE), 3 * 8 + 2 * 4, 3 * 4, 0, 0),
    "gather": (
        posed(lambda table, i: table.gather(0, i[:, None].expand(3, 16)), i=[5, 5, 7], **TABLE),
        3 * 8 + 2 * ROW, 3 * ROW, 0, 0,
    ),
    "mask": (posed(lambda table, m: table[m], m=[True] * 3 + [False] * 997, **TABLE), 1000 + 3 * ROW, 3 * ROW, 0, 0),
    "a lookup and all": (
        posed(lambda table, i: table.sum(0) + table[i], i=[5], **TABLE), 8 + 1000 * ROW, ROW, 1000 * 16 + 16, 0
    ),
    "expanded": (posed(lambda table: table[:1].expand(9, 16) * 2, **TABLE), ROW, 9 * ROW, 9 * 16, 0),
    "overlapping views": (posed(lambda table: table[:10] + table[5:15], **TABLE), 15 * ROW, 10 * ROW, 10 * 16, 0),
    "halves": (posed(lambda table: table[:, :8] + table[:, 8:], **TABLE), 1000 * ROW, 1000 * 32, 1000 * 8, 0),
    "a view": (posed(lambda table: table[:10], **TABLE), 0, 0, 0, 0),
    "a shape alone": (
        posed(lambda table, x: torch.zeros_like(table) + x, x=randn(16), **TABLE), 16 * 4, 1000 * ROW, 1000 * 16, 0
    ),
    "rows put": (
        posed(lambda table, i, x: table.index_put_((i,), x), i=[3, 4], x=randn(2, 16), **TABLE),
        2 * 8 + 2 * ROW, 2 * ROW, 0, 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTED)
def test_the_least_that_a_reference_moves_and_computes(name: str) -> None:
    problem, read, written, flops, special = COUNTED[name]
    for found in (count_cost(problem, W), _count(problem, W, "on real data")):
        assert (found.bytes_read, found.bytes_written) == (read, written)
        assert (sum(found.flops.values()), found.special) == (flops, special)
        assert found.quality == "counted"


def test_indices_of_large_tables_are_taken_as_uniform_draws() -> None:
    large = posed(lambda table, i: table[i], table=randn(1 << 20, 64), i=lambda g: torch.zeros(4096, dtype=torch.int64))
    found = count_cost(large, W)  # 256 MiB: not drawn
    rows = (1 << 20) * (1 - (1 - 2.0**-20) ** 4096)
    assert found.bytes_read == pytest.approx(4096 * 8 + rows * 256, abs=1)
    assert "uniform draws" in found.derivation
    small = count_cost(posed(lambda table, i: table[i], i=[5, 5], **TABLE), W)
    assert "counted on shapes and indices" in small.derivation
