"""gemm on a Hopper GPU: the Gluon kernel keeps the whole contract, and every measured setting is right.

The yardstick is the error that torch's own product makes in the same dtype, both against float64 on the GPU; what the
generic tests of operators ask of impl="triton" is not asked again here.
"""

from __future__ import annotations

import itertools
import json
import re
from importlib import import_module
from typing import Any

import pytest
import torch

from tilewright import ops
from tilewright.ops._lib import settings

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available() or torch.cuda.get_device_capability() != (9, 0), reason="no Hopper GPU"
    ),
]

SEED = 20_28
PROBLEM = ops.get("gemm")
gluon = PROBLEM.impls["gluon"]
# Single elements, rows of no multiple of 16 bytes, tails in every axis, an empty sum, several tiles per program.
SIZES = [
    (1, 1, 1), (3, 1, 5), (1, 33, 7), (17, 65, 31), (33, 40, 257), (64, 64, 64), (4, 8, 0), (129, 257, 65),
    (300, 1000, 200), (1000, 128, 1000), (2049, 4104, 520), (4000, 8200, 136),
]  # fmt: skip


def drawn(M: int, N: int, K: int, dtype: torch.dtype, columns: str = "", seed: int = SEED) -> tuple[torch.Tensor, ...]:
    """a (M, K), b (K, N) of scale 1 / sqrt(K) and bias (N,); `columns` names the operands that lie transposed."""
    generator = torch.Generator("cuda").manual_seed(seed)

    def matrix(rows: int, cols: int, transposed: bool) -> torch.Tensor:
        x = torch.randn((cols, rows) if transposed else (rows, cols), device="cuda", generator=generator)
        return x.mT if transposed else x

    a, b = matrix(M, K, "a" in columns), matrix(K, N, "b" in columns) / max(K, 1) ** 0.5
    return a.to(dtype), b.to(dtype), torch.randn(N, device="cuda", generator=generator).to(dtype)


def errors(ours: torch.Tensor, right: torch.Tensor) -> tuple[float, float]:
    """Root of the mean square of the error, and its maximum."""
    wrong = ours.double() - right
    return float(wrong.square().mean().sqrt()), float(wrong.abs().max())


def as_exact_as_rounding(ours: torch.Tensor, right: torch.Tensor) -> bool:
    """Whether the error against `right` (float64) is at most twice that of rounding it once to the dtype of `ours`,
    and in no place more than twice its largest; float32 sums add a little to the one rounding that is due."""
    float32 = torch.finfo(torch.float32).eps * float(right.abs().max())
    limits = errors(right.to(ours.dtype), right)
    return all(found <= 2 * limit + float32 for found, limit in zip(errors(ours, right), limits, strict=True))


ACTIVATIONS = (None, "relu", "gelu", "silu")
# Every size in every layout; activations and dtypes take turns, as each combination is a binary of its own.
LAYOUTS = [(size, columns) for size in SIZES for columns in ("", "a", "b", "ab")]
CASES = [(*layout, torch.bfloat16, ACTIVATIONS[i % 4 - i // 4 % 4]) for i, layout in enumerate(LAYOUTS)]
CASES += [((300, 1000, 200), "b", torch.float16, activation) for activation in ACTIVATIONS]


@pytest.mark.parametrize(("size", "columns", "dtype", "activation"), CASES, ids=str)
def test_any_size_layout_and_epilogue(
    size: tuple[int, int, int], columns: str, dtype: torch.dtype, activation: str | None
) -> None:
    a, b, bias = drawn(*size, dtype, columns)
    right = PROBLEM.impls["reference"](a.double(), b.double(), bias.double(), activation)
    for impl in ("gluon", "triton"):
        out = PROBLEM.impls[impl](a, b, bias, activation)
        assert out.is_contiguous() and out.dtype == dtype
        assert as_exact_as_rounding(out, right), (impl, errors(out, right))
        assert torch.equal(out, PROBLEM.impls[impl](a, b, bias, activation)), impl


@pytest.mark.parametrize("impl", ["triton", "gluon"])
@pytest.mark.parametrize("size", [(200, 264, 96), (4001, 1032, 72)], ids=str)
def test_nothing_is_written_around_the_output(impl: str, size: tuple[int, int, int]) -> None:
    launch = import_module(f"tilewright.ops.gemm.{impl}").launch
    a, b, bias = drawn(*size, torch.bfloat16, "b")
    M, N, _ = size
    memory = torch.full((M + 200, N), float("nan"), device="cuda", dtype=torch.bfloat16)
    launch(a, b, bias, memory[100 : 100 + M], None, "none")
    assert bool(memory[:100].isnan().all()) and bool(memory[100 + M :].isnan().all())
    assert torch.equal(memory[100 : 100 + M], ops.gemm(a, b, bias, impl=impl))


def test_unaligned_memory_is_copied() -> None:
    a, b, bias = drawn(130, 272, 64, torch.bfloat16)
    right = gluon(a, b, bias)
    shifted = [
        torch.empty(x.numel() + 1, device="cuda", dtype=x.dtype)[1:].view(x.shape).copy_(x) for x in (a, b, bias)
    ]
    assert all(x.data_ptr() % 16 for x in shifted)
    assert torch.equal(gluon(*shifted), right)
    assert torch.equal(ops.gemm(*shifted, impl="triton"), ops.gemm(a, b, bias, impl="triton"))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_by_the_same_kernel(activation: str | None) -> None:
    call = drawn(264, 520, 200, torch.bfloat16, "b")
    fed = torch.randn(264, 520, device="cuda", generator=torch.Generator("cuda").manual_seed(SEED))

    def grads(fn: Any, dtype: torch.dtype) -> list[torch.Tensor]:
        leaves = [x.to(dtype).requires_grad_() for x in call]
        return list(torch.autograd.grad(fn(*leaves, activation), leaves, fed.to(torch.bfloat16).to(dtype)))

    right, torchs = (grads(PROBLEM.impls["reference"], d) for d in (torch.float64, torch.bfloat16))
    for ours, own, truth in zip(grads(gluon, torch.bfloat16), torchs, right, strict=True):
        assert errors(ours, truth)[0] <= 2 * errors(own, truth)[0]


def test_a_captured_graph_replays_with_new_content_and_nothing_waits() -> None:
    a, b, bias = drawn(520, 776, 264, torch.float16, "b")
    late = drawn(520, 776, 264, torch.float16, "b", SEED + 1)
    gluon(a, b, bias, "silu")
    torch.cuda.set_sync_debug_mode("error")
    try:
        gluon(a, b, bias, "silu")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = gluon(a, b, bias, "silu")
    for kept, new in zip((a, b, bias), late, strict=True):
        kept.copy_(new)
    graph.replay()
    assert torch.equal(out, gluon(*late, "silu"))


def test_compiles_as_one_graph() -> None:
    torch._dynamo.reset()
    call = drawn(264, 512, 256, torch.bfloat16, "b")
    compiled = torch.compile(lambda *args: gluon(*args), fullgraph=True)
    assert torch.equal(compiled(*call), gluon(*call))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one GPU")
def test_tensors_of_another_gpu_run_there() -> None:
    call = drawn(264, 512, 256, torch.bfloat16, "b")
    there = gluon(*(x.to("cuda:1") for x in call))
    assert there.device.index == 1 and torch.cuda.current_device() == 0
    assert torch.equal(there.cpu(), gluon(*call).cpu())


def test_what_gluon_does_not_take_is_refused() -> None:
    a, b, _ = drawn(64, 64, 64, torch.float32)
    with pytest.raises(ValueError, match=re.escape("impl='gluon' takes bfloat16 or float16 on Hopper")):
        gluon(a, b)


ENTRIES = settings.entries("gemm", "sm90")


@pytest.mark.parametrize("index", range(len(ENTRIES)), ids=lambda i: json.dumps(ENTRIES[i]["axes"]))
def test_every_measured_setting_is_right(index: int) -> None:
    entry = ENTRIES[index]
    impl = "gluon" if entry["kernel"] == "fwd_gluon" else "triton"
    dtype = getattr(torch, entry.get("dtype", "bfloat16"))
    for seed, activation in itertools.product((SEED, SEED + 1), (None, "silu")):
        a, b, bias = drawn(*(entry["axes"][axis] for axis in "MNK"), dtype, "b", seed)
        right = PROBLEM.impls["reference"](a.double(), b.double(), bias.double(), activation)
        out = PROBLEM.impls[impl](a, b, bias, activation)
        assert as_exact_as_rounding(out, right), (entry, errors(out, right))
        assert torch.equal(out, PROBLEM.impls[impl](a, b, bias, activation))
