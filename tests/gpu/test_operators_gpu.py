"""The operators on a real GPU: right at real sizes, and good guests of CUDA and of torch.

Where sizes are real the yardstick is the error that torch's own implementation makes in the same dtype, both against
float64 on the GPU; at the edges it is the judge. Everything else is exact: equal bits, or a count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import triton

from in_process import InProcess
from tilewright import ops
from tilewright.problem import Inputs, Problem, Workload, as_tuple
from tilewright.verify.cases import TruthCache
from tilewright.verify.judge import judge

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

SEED = 20_27
NAMES = ("rms_norm", "softmax", "gemm")
PROBLEMS = {name: ops.get(name) for name in NAMES}
PAIRS = [(n, i) for n, p in PROBLEMS.items() for i in ("triton", "cuda") if i in p.impls]
DTYPES = ("float32", "float16", "bfloat16")
# Real sizes whose float64 truth is quick: rows short, long and past the registers; products wide and with an epilogue.
REAL = {
    "rms_norm": ("llama3_8b_prefill", "qwen3_8b_qk_norm", "gemma2_9b_prefill", "long_rows", "longer_rows"),
    "softmax": ("qwen3_8b_attention_8k", "gpt2_vocabulary", "llama3_vocabulary", "mixtral_router"),
    "gemm": ("llama3_8b_qkv_prefill", "llama3_8b_qkv_decode", "gpt2_mlp"),
}
TRUTHS = TruthCache()
EDGES = [(n, i, edge) for n, i in PAIRS for edge in PROBLEMS[n].edges()]  # type: ignore[misc]


def drawn(problem: Problem, workload: Workload, seed: int = SEED, device: str = "cuda") -> Inputs:
    """The workload's inputs by the problem's own recipe, drawn on the GPU."""
    assert problem.inputs is not None
    with torch.device(device):
        return problem.inputs(workload, torch.Generator(device).manual_seed(seed))


def small(name: str, dtype: str = "bfloat16", seed: int = SEED, device: str = "cuda") -> Inputs:
    """A call of a few thousand rows or columns at most, with everything optional given."""
    axes = {"rms_norm": {"M": 300, "N": 1536}, "softmax": {"M": 300, "N": 1536}, "gemm": {"M": 200, "N": 384, "K": 256}}
    params = {"rms_norm": {"residual": True}, "softmax": {}, "gemm": {"bias": True, "activation": "silu"}}
    workload = Workload(name="small", axes=axes[name], dtype=dtype, params=params[name])
    return drawn(PROBLEMS[name], workload, seed, device)


def with_grads(
    problem: Problem, fn: Callable[..., Any], call: Inputs, fed_as: torch.dtype = torch.bfloat16
) -> list[torch.Tensor]:
    """Outputs, then gradients, of `fn` on fresh leaves; random gradients are fed back, all exact in `fed_as`."""
    wanted = {f"args.{n}" for n in problem.grads}
    own = call.map(lambda p, t: t.detach().clone().requires_grad_(p in wanted))
    outputs = as_tuple(fn(*own.args.values()))
    generator = torch.Generator(outputs[0].device).manual_seed(SEED)
    fed = [torch.randn(o.shape, generator=generator, device=o.device, dtype=fed_as) for o in outputs]
    leaves = [t for p, t in own.tensors().items() if p in wanted]
    grads = torch.autograd.grad(outputs, leaves, [f.to(o.dtype) for f, o in zip(fed, outputs, strict=True)])
    return [o.detach() for o in (*outputs, *grads)]


def equal(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def relative_error(ours: torch.Tensor, right: torch.Tensor) -> float:
    return float((ours.double() - right.double()).norm() / right.double().norm())


# ---- right ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "impl", "edge"), EDGES, ids=[f"{n}-{i}-{e.name}" for n, i, e in EDGES])
def test_every_edge_is_right(name: str, impl: str, edge: Workload, dtype: str) -> None:
    problem = PROBLEMS[name]
    case = TRUTHS.case(problem, edge.with_(dtype=dtype), "normal", SEED, True)
    assert case.inputs is not None and case.truth is not None

    def there_and_back(*args: Any) -> tuple[torch.Tensor, ...]:
        moved = [a.cuda() if isinstance(a, torch.Tensor) else a for a in args]
        return tuple(o.cpu() for o in as_tuple(problem.impls[impl](*moved)))

    outcome = InProcess(there_and_back, problem).call(case.inputs, grads=case.grads, grad_outputs=case.grad_outputs)
    found = judge(case.truth, outcome)
    assert found.passed, f"{found.status}: {found.detail}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "impl", "workload"), [(n, i, w) for n, i in PAIRS for w in REAL[n]])
def test_real_sizes_are_as_exact_as_torch(name: str, impl: str, workload: str, dtype: str) -> None:
    if (workload, dtype) == ("llama3_8b_qkv_decode", "float32"):
        pytest.skip("torch cuts this sum of 4096 products into parts, which no single chain of float32 sums equals")
    problem = PROBLEMS[name]
    call = drawn(problem, problem.workload(workload).with_(dtype=dtype))
    right = with_grads(problem, problem.impls["reference"], call.cast(torch.float64))
    ours = with_grads(problem, problem.impls[impl], call)
    torchs = with_grads(problem, problem.impls["reference"], call)
    for index, (our, own, truth) in enumerate(zip(ours, torchs, right, strict=True)):
        assert (our.dtype, our.shape) == (own.dtype, own.shape)
        assert relative_error(our, truth) <= 2 * relative_error(own, truth), f"output or gradient {index}"


@pytest.mark.parametrize(("name", "impl"), PAIRS)
def test_two_calls_give_the_same_bits(name: str, impl: str) -> None:
    problem, call = PROBLEMS[name], small(name)
    first = with_grads(problem, problem.impls[impl], call)
    assert all(equal(first, with_grads(problem, problem.impls[impl], call)) for _ in range(5))


# ---- good guests ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "impl"), PAIRS)
def test_a_captured_graph_replays_with_new_content(name: str, impl: str) -> None:
    problem, fn = PROBLEMS[name], PROBLEMS[name].impls[impl]
    kept, other = small(name), small(name, seed=SEED + 1)
    with_grads(problem, fn, kept)  # compiles, which no capture may
    wanted = {f"args.{n}" for n in problem.grads}
    leaves = kept.map(lambda p, t: t.clone().requires_grad_(p in wanted))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = as_tuple(fn(*leaves.args.values()))
        grads = torch.autograd.grad(outputs, [t for p, t in leaves.tensors().items() if p in wanted],
                                    [torch.ones_like(o) for o in outputs])  # fmt: skip
    with torch.no_grad():
        for path, t in leaves.tensors().items():
            t.copy_(other.tensors()[path])
    graph.replay()
    fresh = other.map(lambda p, t: t.clone().requires_grad_(p in wanted))
    again = as_tuple(fn(*fresh.args.values()))
    torch.autograd.backward(again, [torch.ones_like(o) for o in again])
    expected = [*again, *(t.grad for p, t in fresh.tensors().items() if p in wanted)]
    assert equal([*outputs, *grads], expected)  # type: ignore[list-item]


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one GPU")
@pytest.mark.parametrize(("name", "impl"), PAIRS)
def test_tensors_of_another_gpu_run_there(name: str, impl: str) -> None:
    problem, call = PROBLEMS[name], small(name)
    here = with_grads(problem, problem.impls[impl], call)
    moved = call.map(lambda _, t: t.to("cuda:1"))
    assert torch.cuda.current_device() == 0
    there = with_grads(problem, problem.impls[impl], moved)
    assert all(t.device.index == 1 for t in there)
    assert torch.cuda.current_device() == 0
    fed_alike = [t.cpu() for t in there[: len(problem.outputs)]]
    assert equal([t.cpu() for t in here[: len(problem.outputs)]], fed_alike)
    assert equal([t.cpu() for t in here], [t.cpu() for t in there])


@pytest.mark.parametrize(("name", "impl"), PAIRS)
def test_work_lands_on_the_current_stream(name: str, impl: str) -> None:
    fn = PROBLEMS[name].impls[impl]
    expected = as_tuple(fn(*small(name).args.values()))
    first, late = small(name, seed=SEED + 1), small(name)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)  # about 50 ms: work on any other stream would see the old content
        for path, t in first.tensors().items():
            t.copy_(late.tensors()[path])
        found = as_tuple(fn(*first.args.values()))
    stream.synchronize()
    assert equal(list(found), list(expected))


@pytest.mark.parametrize(("name", "impl"), PAIRS)
def test_nothing_waits_for_the_gpu(name: str, impl: str) -> None:
    problem, call = PROBLEMS[name], small(name)
    with_grads(problem, problem.impls[impl], call)  # compiles and loads
    torch.cuda.set_sync_debug_mode("error")
    try:
        with_grads(problem, problem.impls[impl], call)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "impl"), PAIRS)
def test_autocast_gives_the_dtypes_that_torch_gives(name: str, impl: str, dtype: str) -> None:
    problem, call = PROBLEMS[name], small(name, dtype)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        right = with_grads(problem, problem.impls["reference"], call)
        ours = with_grads(problem, problem.impls[impl], call)
    assert [o.dtype for o in ours] == [o.dtype for o in right]


@pytest.mark.parametrize(("name", "impl"), PAIRS)
def test_compiles_as_one_graph(name: str, impl: str) -> None:
    torch._dynamo.reset()
    problem, call, fn = PROBLEMS[name], small(name), PROBLEMS[name].impls[impl]
    compiled = torch.compile(lambda *args: fn(*args), fullgraph=True)
    assert equal(with_grads(problem, compiled, call), with_grads(problem, fn, call))


@contextmanager
def counted_compilations() -> Iterator[list[str]]:
    """The names of the kernels that Triton compiles, or loads from its cache, while this lasts."""
    compiled: list[str] = []
    before = triton.knobs.runtime.jit_cache_hook
    triton.knobs.runtime.jit_cache_hook = lambda *_, **known: compiled.append(known["fn"].name)
    try:
        yield compiled
    finally:
        triton.knobs.runtime.jit_cache_hook = before


@pytest.mark.parametrize("name", NAMES)
def test_a_new_length_compiles_nothing(name: str) -> None:
    problem, fn = PROBLEMS[name], PROBLEMS[name].impls["triton"]
    rows = next(iter(problem.workloads[0].axes))

    def run(length: int) -> None:
        axes = {"M": length, "N": 640, "K": 320} if name == "gemm" else {"M": length, "N": 640}
        with_grads(problem, fn, drawn(problem, Workload(name="any", axes=axes, dtype="float16")))

    assert rows == "M"
    with counted_compilations() as compiled:
        # gemm's backward sums over the rows: what is known of their alignment (to 1, 8 or 16) makes another binary.
        for length in (1001, 1000, 1008):
            run(length)
        assert compiled, "the hook saw no compilation"
        del compiled[:]
        for length in (1002, 1016, 1023, 1024, 1100):
            run(length)
    assert compiled == []


# ---- more than 2^31 elements ---------------------------------------------------------------------------------------


def enough_memory(gigabytes: int) -> bool:
    return torch.cuda.is_available() and torch.cuda.get_device_properties(0).total_memory > gigabytes << 30


@pytest.mark.skipif(not enough_memory(60), reason="less than 60 GiB of GPU memory")
@pytest.mark.parametrize(("name", "impl"), [p for p in PAIRS if p[0] != "gemm"])
def test_rows_past_two_billion_elements(name: str, impl: str) -> None:
    M, N, tail = 1_100_000, 2048, 1000
    assert M * N > 1 << 31
    fn = PROBLEMS[name].impls[impl]
    generator = torch.Generator("cuda").manual_seed(SEED)
    x = torch.randn(M, N, generator=generator, device="cuda", dtype=torch.bfloat16)
    grad = torch.randn(M, N, generator=generator, device="cuda", dtype=torch.bfloat16)
    found = x.detach().requires_grad_()
    out = fn(found)
    [dx] = torch.autograd.grad(out, found, grad)
    last = x[-tail:].clone().requires_grad_()
    last_out = fn(last)
    [last_dx] = torch.autograd.grad(last_out, last, grad[-tail:].clone())
    assert torch.equal(out[-tail:], last_out)
    assert torch.equal(dx[-tail:], last_dx)
    right = PROBLEMS[name].impls["reference"](x[-tail:].double())
    torchs = PROBLEMS[name].impls["reference"](x[-tail:])
    assert relative_error(out[-tail:], right) <= 2 * relative_error(torchs, right)


@pytest.mark.skipif(not enough_memory(40), reason="less than 40 GiB of GPU memory")
def test_a_product_past_two_billion_elements() -> None:
    M, N, K, tail = 65_536, 40_000, 64, 256
    assert M * N > 1 << 31
    generator = torch.Generator("cuda").manual_seed(SEED)
    a = torch.randn(M, K, generator=generator, device="cuda", dtype=torch.bfloat16)
    b = torch.randn(N, K, generator=generator, device="cuda", dtype=torch.bfloat16).mT
    out = ops.gemm(a, b, impl="triton")
    right, torchs = a[-tail:].double() @ b.double(), a[-tail:] @ b
    assert relative_error(out[-tail:], right) <= 2 * relative_error(torchs, right)
