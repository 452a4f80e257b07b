"""Every Triton kernel of every operator compiles for every target, from launches of real workloads, without spills.

The launches are recorded, not made up: types, constants, strides and alignment are those that a model's shapes give.
The tensors behind them are never filled, so the largest workloads cost nothing but the compilation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import pytest
import torch
import triton
import triton.language as tl
from torch._subclasses.fake_tensor import FakeTensorMode
from triton.runtime.jit import JITFunction

from tilewright import ops
from tilewright.build import ToolMissing, cuda, gluon, prebuild
from tilewright.build import triton as build
from tilewright.build.facts import LIMITS, SASS_CLASSES, CompileFacts, count_instructions, occupancy
from tilewright.build.triton import TARGETS, Launch, capture, cross_compile, distinct
from tilewright.candidate import Candidate, CandidateError, Status
from tilewright.ops._lib import settings
from tilewright.problem import Inputs, Problem, Workload, as_tuple

pytestmark = pytest.mark.skipif(build.interpreting(), reason="an interpreted process compiles nothing")
NAMES = [name for name in ops.names() if "triton" in ops.get(name).impls]


def unfilled(problem: Problem, workload: Workload) -> Inputs:
    """The arguments of `workload`: right shapes, dtypes and strides, memory that nobody has touched."""
    with FakeTensorMode():
        call = problem.make_inputs(workload, 0)
    return call.map(lambda _, t: torch.empty_strided(t.shape, t.stride(), dtype=t.dtype))


def run(problem: Problem, workload: Workload, backward: bool = True) -> None:
    call = unfilled(problem, workload)
    if backward:
        call = call.map(lambda p, t: t.requires_grad_(p.removeprefix("args.") in problem.grads))
    with torch.set_grad_enabled(backward):
        outputs = as_tuple(problem.impls["triton"](*call.args.values()))
    if backward:
        torch.autograd.backward(outputs, [torch.empty_like(o) for o in outputs])


@cache
def launches(name: str, target: str) -> tuple[Launch, ...]:
    """What the operator's workloads launch on `target`, forward and backward, each distinct binary once."""
    problem = ops.get(name)
    found: list[Launch] = []
    for workload in problem.workloads:
        found += capture(lambda w=workload: run(problem, w), target=target)
        found += capture(lambda w=workload: run(problem, w, backward=False), target=target)
    return tuple(distinct(found))


def kernels_of(module: ModuleType) -> dict[str, JITFunction]:
    """The kernels of an operator: its JIT functions that are launched (`_<op>_..._kernel`), not called by others."""
    found = {n: v for n, v in vars(module).items() if isinstance(v, JITFunction)}
    return {n: v for n, v in found.items() if n.endswith("_kernel")}


@pytest.mark.parametrize("name", NAMES)
def test_every_kernel_is_launched_by_a_real_workload(name: str) -> None:
    kernels = kernels_of(ops.module(name))
    assert kernels, f"{name} offers impl 'triton' and has no kernel named _{name}_..._kernel"
    seen = {launch.name for target in TARGETS for launch in launches(name, target)}
    assert set(kernels) == seen, f"never launched by a workload: {sorted(set(kernels) - seen)}"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NAMES)
def test_default_settings_compile_without_spills(name: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "entries", lambda op, arch: ())
    for launch in launches.__wrapped__(name, target):
        facts = cross_compile(launch, target)
        assert facts.spills == 0, f"{facts.kernel} for {target}: {facts}"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NAMES)
def test_settings_fit_their_machine(name: str, target: str) -> None:
    """Measured settings may spill a little: they were the fastest all the same."""
    assert launches(name, target)
    for launch in launches(name, target):
        facts = cross_compile(launch, target)
        assert facts.fits, f"{facts.kernel} for {target} asks for {facts.shared_bytes} bytes of shared memory"
        assert facts.registers > 0
        if target in LIMITS:
            assert facts.occupancy is not None
            assert facts.occupancy > 0, f"no block of {facts.kernel} fits on {target}"


@pytest.mark.parametrize("name", NAMES)
def test_a_new_length_needs_no_new_binary(name: str) -> None:
    problem = ops.get(name)
    workload = problem.workloads[0]
    rows, length = next(iter(workload.axes.items()))
    keys = set()
    for more in (0, 1, 7):
        longer = workload.with_(axes={**workload.axes, rows: length + more})
        found = capture(lambda w=longer: run(problem, w, backward=False))
        keys.add(tuple(launch.key for launch in found))
    assert len(keys) == 1


MATRIX_UNITS = {"sm_80": "mma", "sm_90": "wgmma", "sm_100": "tcgen05", "gfx942": "mfma"}


@pytest.mark.parametrize(("target", "wanted"), MATRIX_UNITS.items())
def test_gemm_reaches_the_matrix_units(target: str, wanted: str) -> None:
    problem = ops.get("gemm")
    [launch] = capture(lambda: run(problem, problem.workloads[0], backward=False), target=target)
    facts = cross_compile(launch, target)
    assert facts.instructions.get(wanted, 0) > 0, facts.instructions
    if target in ("sm_90", "sm_100"):
        assert facts.instructions.get("tma", 0) > 0, facts.instructions


@pytest.mark.parametrize("name", ["rms_norm", "softmax"])
def test_row_kernels_load_and_store_128_bits(name: str) -> None:
    problem = ops.get(name)
    [launch] = capture(lambda: run(problem, problem.workloads[0], backward=False))
    facts = cross_compile(launch, "sm_90")
    assert facts.instructions["load_128"] > 0
    assert facts.instructions["store_128"] > 0


# ---- the tools themselves ------------------------------------------------------------------------------------------


@triton.jit
def _scale_kernel(x_ptr, y_ptr, n, factor, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + i, tl.load(x_ptr + i, mask=i < n) * factor, mask=i < n)


@triton.jit
def _broken_kernel(x_ptr, BLOCK: tl.constexpr):
    tl.store(x_ptr + tl.arange(0, BLOCK), tl.no_such_function(BLOCK))


@triton.autotune(configs=[triton.Config({"BLOCK": 256}, num_warps=2), triton.Config({"BLOCK": 512})], key=["n"])
@triton.jit
def _tuned_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + i, tl.load(x_ptr + i, mask=i < n), mask=i < n)


def scale(x: torch.Tensor) -> torch.Tensor:
    """A launcher as users write it: for a GPU."""
    assert x.is_cuda
    y = torch.empty(x.shape, device="cuda", dtype=x.dtype)
    _scale_kernel[lambda meta: (triton.cdiv(x.numel(), meta["BLOCK"]),)](x, y, x.numel(), 2.0, BLOCK=1024, num_warps=4)
    return y


def test_capture_records_what_triton_would_specialise() -> None:
    [aligned] = capture(lambda: scale(torch.empty(4096, dtype=torch.bfloat16)))
    [odd] = capture(lambda: scale(torch.empty(4097, dtype=torch.bfloat16)[1:4000]))
    assert aligned.grid == (4,)
    assert aligned.num_warps == 4
    assert aligned.variants["cuda"].signature["x_ptr"] == "*bf16"
    assert aligned.variants["cuda"].attributes != odd.variants["cuda"].attributes
    assert aligned.key != odd.key
    assert cross_compile(aligned, "sm_90").instructions.get("load_128", 0) > 0
    assert cross_compile(odd, "sm_90").instructions.get("load_128", 0) == 0


def test_an_autotuned_kernel_is_recorded_with_its_first_configuration() -> None:
    x = torch.empty(1000)
    [launch] = capture(lambda: _tuned_kernel[lambda meta: (triton.cdiv(1000, meta["BLOCK"]),)](x, x, 1000))
    assert launch.grid == (4,)
    assert launch.num_warps == 2


def test_a_kernel_that_does_not_compile_says_so_in_one_line() -> None:
    [launch] = capture(lambda: _broken_kernel[(1,)](torch.empty(64), BLOCK=64))
    with pytest.raises(CandidateError, match="no_such_function") as caught:
        cross_compile(launch, "sm_90")
    assert caught.value.status is Status.COMPILE_ERROR
    assert "\n" not in caught.value.detail
    with pytest.raises(ValueError, match="unknown target"):
        cross_compile(launch, "riscv")


def test_facts_of_names_every_target() -> None:
    found = build.facts_of(lambda: scale(torch.empty(4096)), ("sm_80", "gfx942"))
    assert set(found) == {"_scale_kernel@sm_80", "_scale_kernel@gfx942"}
    assert all(isinstance(f, CompileFacts) for f in found.values())


@pytest.mark.parametrize(
    ("registers", "shared_bytes", "threads", "blocks"),
    # Worked by hand for sm_90: 65536 registers, 64 warps, 32 blocks, 233472 bytes of which each block pays 1024 more.
    [
        (32, 0, 1024, 2),
        (255, 0, 256, 1),
        (128, 0, 256, 2),
        (16, 0, 32, 32),
        (32, 100_000, 128, 2),
        (32, 232_448, 128, 1),
    ],
)
def test_occupancy_by_hand(registers: int, shared_bytes: int, threads: int, blocks: int) -> None:
    resident = occupancy("sm_90", registers, shared_bytes, threads)
    assert resident == (blocks, blocks * threads // 32, blocks * threads / 32 / 64)
    assert occupancy("sm_1", registers, shared_bytes, threads) is None


def test_instruction_classes_do_not_overlap() -> None:
    sass = """
        HGMMA.64x256x16.F32.BF16 R24 ;  LDG.E.128.CONSTANT R4 ;  LDG.E R5 ;  UTMALDG.2D [UR8] ;  LDL R1 ;
        HMMA.16816.F32 R2 ;  STG.E.128 R1 ;
    """
    one_each = {"wgmma": 1, "mma": 1, "tma": 1, "load_128": 1, "store_128": 1, "load_local": 1}
    assert count_instructions(sass, SASS_CLASSES) == one_each


CUDA_SOURCE = r"""
extern "C" __global__ void reverse(const float4* x, float4* y) {
    __shared__ float4 tile[ROWS];
    tile[threadIdx.x] = x[blockIdx.x * ROWS + threadIdx.x];
    __syncthreads();
    y[blockIdx.x * ROWS + threadIdx.x] = tile[ROWS - 1 - threadIdx.x];
}
"""


def compiler() -> str | None:
    return cuda.find_nvcc() or cuda.find_nvrtc()


@pytest.mark.skipif(compiler() is None, reason=cuda.INSTALL_HINT)
def test_cuda_builds_a_cubin_and_reads_its_facts() -> None:
    cubin = cuda.compile_cubin(CUDA_SOURCE, "sm_90", defines={"ROWS": 128})
    facts = cuda.facts("reverse", cubin, "sm_90", threads=128)
    assert facts.shared_bytes == 128 * 16
    assert facts.spills == 0
    assert facts.instructions == {"load_128": 1, "store_128": 1}
    assert cuda.facts("reverse", cubin, "sm_90", 128, dynamic_shared_bytes=4096).shared_bytes == 128 * 16 + 4096
    with pytest.raises(CandidateError, match="expected an expression") as caught:
        cuda.compile_cubin("__global__ void broken() { int x = ; }", "sm_90")
    assert caught.value.status is Status.COMPILE_ERROR


@pytest.mark.skipif(compiler() is None, reason=cuda.INSTALL_HINT)
@pytest.mark.parametrize("N", [128, 1000, 4096, 16387, 32768, 128256])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_softmax_in_cuda_builds_without_spills(N: int, dtype: torch.dtype) -> None:
    from tilewright.ops.softmax import cuda as softmax_cuda

    name, (threads, rows), defines = softmax_cuda.plan(torch.empty(4, N, dtype=dtype))
    cubin = cuda.compile_cubin(softmax_cuda.SOURCE, "sm_90", defines=defines)
    facts = cuda.facts(name, cubin, "sm_90", threads * rows)
    assert facts.spills == 0
    assert facts.occupancy is not None
    if N % 8 == 0:
        assert facts.instructions["load_128"] > 0
        assert facts.occupancy == 1 or dtype == torch.float32


def test_cuda_without_a_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Callable[[], Any] = lambda: None  # noqa: E731
    monkeypatch.setattr(cuda, "find_nvcc", nothing)
    monkeypatch.setattr(cuda, "find_nvrtc", nothing)
    with pytest.raises(CandidateError, match="pip install nvidia-cuda-nvrtc"):
        cuda.compile_cubin(CUDA_SOURCE)
    with pytest.raises(ToolMissing, match="pip install nvidia-cuda-nvrtc"):
        prebuild(Candidate(name="cuda", source="", entry="f", language="cuda"))


def test_gluon_builds_for_hopper() -> None:
    language = gluon.require_gluon()
    import triton.experimental.gluon.language as gl

    @language.jit
    def _double_kernel(x_ptr, y_ptr, n, BLOCK: gl.constexpr):
        layout: gl.constexpr = gl.BlockedLayout([4], [32], [4], [0])
        i = gl.program_id(0) * BLOCK + gl.arange(0, BLOCK, layout=layout)
        gl.store(y_ptr + i, gl.load(x_ptr + i, mask=i < n) * 2.0, mask=i < n)

    _double_kernel.fn.__globals__["gl"] = gl
    x = torch.empty(4096)
    facts = gluon.facts_of(lambda: _double_kernel[(4,)](x, torch.empty_like(x), 4096, BLOCK=1024, num_warps=4), "sm_90")
    assert set(facts) == {"_double_kernel"}
    assert facts["_double_kernel"].instructions["load_128"] > 0
    with pytest.raises(CandidateError, match="no Gluon kernel"):
        gluon.facts_of(lambda: scale(x), "sm_90")
