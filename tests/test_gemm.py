"""The matrix kernels without a GPU: what the Gluon one is built into and refuses, and how launches are prepared."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from tilewright import ops
from tilewright.build import gluon as build
from tilewright.build.facts import LIMITS
from tilewright.build.triton import capture, interpreting
from tilewright.ops._lib import settings
from tilewright.ops._lib.prepared import Prepared

pytestmark = pytest.mark.skipif(interpreting(), reason="an interpreted process compiles nothing")

PROBLEM = ops.get("gemm")
HALF = [w for w in PROBLEM.workloads if w.dtype != "float32"]


def unfilled(M: int, N: int, K: int, dtype: torch.dtype = torch.bfloat16) -> tuple[torch.Tensor, torch.Tensor]:
    """a (M, K) and b (K, N), the transpose of a weight, in memory that nobody has touched."""
    return torch.empty(M, K, dtype=dtype), torch.empty(N, K, dtype=dtype).mT


@pytest.mark.parametrize("grad", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("workload", HALF, ids=lambda w: w.name)
def test_gluon_builds_for_hopper_without_spills(workload: Any, grad: bool) -> None:
    a, b = unfilled(*(workload.axes[x] for x in "MNK"), getattr(torch, workload.dtype))
    bias = torch.empty(b.shape[1], dtype=a.dtype) if workload.params.get("bias") else None

    def call() -> None:
        out = PROBLEM.impls["gluon"](a.requires_grad_(grad), b, bias, workload.params.get("activation"))
        if grad:
            out.backward(torch.empty_like(out))

    for facts in build.facts_of(call, "sm_90").values():
        assert facts.spills == 0
        assert facts.fits
        assert facts.occupancy
        assert facts.instructions["wgmma"] >= 4
        assert facts.instructions["tma"] >= 3, "a and b come, and out goes, through the tensor memory accelerator"


@pytest.mark.parametrize("columns", ["", "a", "b", "ab"])
def test_gluon_takes_operands_as_they_lie(columns: str) -> None:
    """A transposed operand is no copy: one kernel is launched and nothing else."""
    a = torch.empty(256, 512, dtype=torch.float16).mT if "a" in columns else torch.empty(512, 256, dtype=torch.float16)
    b = torch.empty(384, 256, dtype=torch.float16).mT if "b" in columns else torch.empty(256, 384, dtype=torch.float16)
    [launch] = capture(lambda: PROBLEM.impls["gluon"](a, b), target="sm_90")
    constants = launch.variants["cuda"].constexprs  # type: ignore[union-attr]
    named = {launch.kernel.arg_names[path[0]]: value for path, value in constants.items()}
    assert (named["A_COLUMNS"], named["B_COLUMNS"]) == ("a" in columns, "b" in columns)


def test_gluon_refuses_what_it_was_not_written_for() -> None:
    half, single = unfilled(64, 64, 64), unfilled(64, 64, 64, torch.float32)
    for target, call in itertools.product(("sm_80", "sm_100", "gfx942"), (half, single)):
        with pytest.raises(ValueError, match=r"impl='gluon' takes bfloat16 or float16 on Hopper \(sm_90\)"):
            capture(lambda c=call: PROBLEM.impls["gluon"](*c), target=target)
    with pytest.raises(ValueError, match="on Hopper"):
        capture(lambda: PROBLEM.impls["gluon"](*single), target="sm_90")
    with pytest.raises(ValueError, match="on cpu"):
        PROBLEM.impls["gluon"](*half)


@pytest.mark.parametrize("target", ["sm_80", "sm_90", "sm_100", "gfx942"])
def test_default_tiles_fit_shared_memory_at_any_size(target: str) -> None:
    from tilewright.ops.gemm.triton import default_settings

    limit = LIMITS[target].shared_bytes_per_block if target in LIMITS else 65536
    sizes = (1, 17, 64, 128, 129, 1000, 4096, 30000)
    for M, N, K, dtype in itertools.product(sizes, sizes, (8, 100, 8192), ("float32", "bfloat16")):
        set_ = default_settings(M, N, K, dtype, target.replace("_", ""), target in ("sm_90", "sm_100"), 132)
        stage = (set_["block_m"] + set_["block_n"]) * set_["block_k"] * (4 if dtype == "float32" else 2)
        # Without descriptors the last stage of AMD's ring lies in registers.
        stages = set_["stages"] - (target == "gfx942")
        assert stages * stage <= limit, (M, N, K, dtype, set_)
        assert set_["block_n"] % set_["parts"] == 0


def test_the_largest_tile_that_busies_the_machine_is_taken() -> None:
    from tilewright.ops.gemm.triton import default_settings

    def tile(M: int, N: int) -> tuple[int, int]:
        set_ = default_settings(M, N, 4096, "bfloat16", "sm90", True, 132)
        return set_["block_m"], set_["block_n"]

    assert tile(8192, 8192) == (128, 256)
    assert tile(1024, 3072) == (128, 256)
    assert tile(1024, 2048) == (128, 128)
    assert tile(1024, 1024) == (64, 128)
    assert tile(128, 4096) == (64, 64)
    assert tile(16, 6144) == (16, 64)


class Recorder:
    """A kernel, and what it was compiled to, that note how they were called."""

    def __init__(self, compiles: bool) -> None:
        self.compiles, self.calls = compiles, []

    def __getitem__(self, grid: tuple[int, int, int]) -> Any:
        return lambda *args, **options: self._launch(grid, args, options)

    def _launch(self, grid: Any, args: Any, options: Any) -> Any:
        self.calls.append(("kernel", grid, args, options))
        return Compiled(self.calls) if self.compiles else None


class Compiled:
    def __init__(self, calls: list[Any]) -> None:
        self.calls = calls

    def __getitem__(self, grid: tuple[int, int, int]) -> Any:
        return lambda *args: self.calls.append(("compiled", grid, args, {}))


def test_a_prepared_launch_binds_its_arguments_once() -> None:
    kernel = Recorder(compiles=True)
    run = Prepared(kernel, 7, (True, 64), num_warps=4)
    for x in ("first", "second", "third"):
        run(x, 1)
    assert kernel.calls == [
        ("kernel", (7, 1, 1), ("first", 1, True, 64), {"num_warps": 4}),
        ("compiled", (7, 1, 1), ("second", 1, True, 64), {}),
        ("compiled", (7, 1, 1), ("third", 1, True, 64), {}),
    ]


def test_a_recorded_launch_is_never_taken_for_a_compiled_one() -> None:
    kernel = Recorder(compiles=False)
    run = Prepared(kernel, 1, (), num_warps=4)
    run("first")
    run("second")
    assert [call[0] for call in kernel.calls] == ["kernel", "kernel"]


def test_a_setting_on_trial_reaches_the_launch_and_leaves_again() -> None:
    def blocks() -> set[tuple[int, ...]]:
        [launch] = capture(lambda: PROBLEM.impls["triton"](*unfilled(4096, 4096, 4096)), target="sm_90")
        constants = launch.variants["cuda"].constexprs  # type: ignore[union-attr]
        named = {launch.kernel.arg_names[path[0]]: value for path, value in constants.items()}
        return {(named["BLOCK_M"], named["BLOCK_N"])}

    before = blocks()
    assert before == {(128, 256)}
    trial = {"block_m": 64, "block_n": 128, "block_k": 64, "warps": 4, "stages": 3, "parts": 1}
    with settings.trial("gemm", "fwd_tma", trial):
        assert blocks() == {(64, 128)}
    assert blocks() == before
