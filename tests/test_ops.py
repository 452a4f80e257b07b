"""Every operator found in the folder, every implementation that runs here, every dtype, every edge.

Nothing below names an operator but the tests of contracts at the end: a new file in the folder is tested by being
there. Triton implementations run in Triton's interpreter, which must be switched on before kernels are imported: one
test starts this file again, in a process of its own, with TRITON_INTERPRET=1.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from in_process import InProcess
from tilewright import ops
from tilewright.build.triton import INTERPRETER_ENVIRONMENT, interpreting
from tilewright.ops._lib import settings
from tilewright.ops._lib.impls import HAS_COMPILER
from tilewright.problem import Inputs, Problem, Workload, as_tuple
from tilewright.verify.cases import TruthCache
from tilewright.verify.families import FAMILIES
from tilewright.verify.judge import judge

SEED = 20_26
DTYPES = ("float32", "bfloat16", "float16")
PROBLEMS = {name: ops.get(name) for name in ops.names()}
TRUTHS = TruthCache()

IMPLS_HERE = ("triton",) if interpreting() else ("reference", "cpp")
PAIRS = [(name, impl) for name, problem in PROBLEMS.items() for impl in IMPLS_HERE if impl in problem.impls]
natively = pytest.mark.skipif(interpreting(), reason="once is enough, and this process interprets")


@pytest.fixture(autouse=True)
def needs_compiler(request: pytest.FixtureRequest) -> None:
    callspec = getattr(request.node, "callspec", None)
    if callspec and callspec.params.get("impl") == "cpp" and not HAS_COMPILER:
        pytest.skip("no C++ compiler: install g++")


def edges(name: str) -> tuple[Workload, ...]:
    problem = PROBLEMS[name]
    assert problem.edges is not None, f"{name} lists no edges"
    return problem.edges()


def ordinary(name: str) -> Workload:
    """An edge with more than one row, odd sizes, and everything optional given: the one with the most arguments."""
    workloads = [w for w in edges(name) if min(w.axes.values()) > 1 and math.prod(w.axes.values()) < 1 << 16]
    return max(workloads, key=lambda w: len(PROBLEMS[name].make_inputs(w, SEED).tensors()))


def small_inputs(name: str, dtype: str = "float32") -> Inputs:
    return PROBLEMS[name].make_inputs(ordinary(name).with_(dtype=dtype), SEED)


def wants_grad(problem: Problem, call: Inputs) -> Inputs:
    """`call` with fresh leaves for the arguments whose gradients the problem names."""
    wanted = {f"args.{n}" for n in problem.grads}
    return call.map(lambda p, t: t.detach().clone().requires_grad_(p in wanted and t.is_floating_point()))


def judged(name: str, impl: str, workload: Workload, family: str = "normal") -> None:
    problem = PROBLEMS[name]
    case = TRUTHS.case(problem, workload, family, SEED, True)
    if case.inputs is None or case.truth is None:
        return  # the family makes no sense here, e.g. its truth overflows
    session = InProcess(problem.impls[impl], problem)
    outcome = session.call(case.inputs, grads=case.grads, grad_outputs=case.grad_outputs)
    found = judge(case.truth, outcome)
    assert found.passed, f"{family}: {found.status}: {found.detail}"


EDGES = [(name, impl, edge) for name, impl in PAIRS for edge in edges(name)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "impl", "edge"), EDGES, ids=[f"{n}-{i}-{e.name}" for n, i, e in EDGES])
def test_outputs_and_gradients_are_right_at_every_edge(name: str, impl: str, edge: Workload, dtype: str) -> None:
    judged(name, impl, edge.with_(dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "impl"), PAIRS)
def test_every_family_of_inputs(name: str, impl: str, dtype: str) -> None:
    for family in FAMILIES:
        judged(name, impl, ordinary(name).with_(dtype=dtype), family)


@pytest.mark.parametrize(("name", "impl"), PAIRS)
def test_inputs_of_any_strides(name: str, impl: str) -> None:
    def strided(_: str, t: torch.Tensor) -> torch.Tensor:
        spread = torch.full((*t.shape[:-1], 2 * t.shape[-1]), float("nan"), dtype=t.dtype)
        spread[..., ::2] = t
        return spread[..., ::2]

    problem = PROBLEMS[name]
    case = TRUTHS.case(problem, ordinary(name), "normal", SEED)
    assert case.inputs is not None
    assert case.truth is not None
    outputs = as_tuple(problem.impls[impl](*case.inputs.map(strided).args.values()))
    from tilewright.verify.admission import outcome_of

    found = judge(case.truth, outcome_of(outputs))
    assert found.passed, found.detail
    assert all(o.is_contiguous() for o in outputs) or impl == "reference"


@pytest.mark.parametrize(("name", "impl"), PAIRS)
def test_two_calls_give_the_same_bits(name: str, impl: str) -> None:
    problem = PROBLEMS[name]

    def bits() -> list[torch.Tensor]:
        call = wants_grad(problem, small_inputs(name))
        outputs = as_tuple(problem.impls[impl](*call.args.values()))
        torch.autograd.backward(outputs, [torch.ones_like(o) for o in outputs])
        return [*outputs, *(t.grad for t in call.tensors().values() if t.grad is not None)]

    first, second = bits(), bits()
    assert len(first) > len(problem.outputs) - 1
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


class _Calls(TorchDispatchMode):
    """Records the arguments of every call of one of our registered operators."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[Any, tuple[Any, ...]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "tilewright":
            self.seen[func] = (args, dict(kwargs or {}))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("name", "impl"), [p for p in PAIRS if p[1] != "reference"])
def test_registration_passes_opcheck(name: str, impl: str) -> None:
    problem = PROBLEMS[name]
    call = wants_grad(problem, small_inputs(name))
    with _Calls() as calls:
        outputs = as_tuple(problem.impls[impl](*call.args.values()))
        torch.autograd.backward(outputs, [torch.ones_like(o) for o in outputs])
    assert f"tilewright.{name}.default" in {str(op) for op in calls.seen}
    for op, (args, kwargs) in calls.seen.items():
        # Only the forward operator has a formula; backward operators are differentiated through the reference.
        track = op.name() == f"tilewright::{name}"
        fresh = [a.detach().clone().requires_grad_(track) if isinstance(a, torch.Tensor) else a for a in args]
        torch.library.opcheck(op, tuple(fresh), kwargs)


def _run_with_grads(problem: Problem, fn: Callable[..., Any], call: Inputs) -> list[torch.Tensor]:
    tracked = wants_grad(problem, call)
    outputs = as_tuple(fn(*tracked.args.values()))
    torch.autograd.backward(outputs, [torch.ones_like(o) for o in outputs])
    return [*outputs, *(t.grad for t in tracked.tensors().values() if t.grad is not None)]


@pytest.mark.parametrize(("name", "impl"), PAIRS)
def test_compiles_as_one_graph(name: str, impl: str) -> None:
    torch._dynamo.reset()
    problem, call = PROBLEMS[name], small_inputs(name)
    fn = problem.impls[impl]
    compiled = torch.compile(lambda *args: fn(*args), fullgraph=True, backend="aot_eager")
    eager, graph = _run_with_grads(problem, fn, call), _run_with_grads(problem, compiled, call)
    assert len(eager) == len(graph)
    assert all(torch.equal(a, b) for a, b in zip(eager, graph, strict=True))


@natively
@pytest.mark.parametrize("name", list(PROBLEMS))
def test_compiles_with_inductor(name: str) -> None:
    torch._dynamo.reset()
    problem, call = PROBLEMS[name], small_inputs(name)
    public = getattr(ops, name)
    compiled = torch.compile(lambda *args: public(*args), fullgraph=True)
    case = TRUTHS.case(problem, ordinary(name), "normal", SEED)
    assert case.inputs is not None
    assert case.truth is not None
    from tilewright.verify.admission import outcome_of

    found = judge(case.truth, outcome_of(as_tuple(compiled(*case.inputs.args.values()))))
    assert found.passed, found.detail
    assert len(_run_with_grads(problem, compiled, call)) == len(_run_with_grads(problem, public, call))


@pytest.mark.parametrize(("name", "impl"), PAIRS)
def test_a_new_length_recompiles_nothing(name: str, impl: str) -> None:
    from torch._dynamo.testing import CompileCounterWithBackend

    torch._dynamo.reset()
    problem, fn = PROBLEMS[name], PROBLEMS[name].impls[impl]
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(lambda *args: fn(*args), fullgraph=True, dynamic=True, backend=counter)
    workload = ordinary(name)
    rows = next(iter(workload.axes))
    graphs = []
    for length in (5, 8, 33):
        call = problem.make_inputs(workload.with_(axes={**workload.axes, rows: length}), SEED)
        compiled(*call.args.values())
        graphs.append(counter.frame_count)
    assert graphs[0] == graphs[-1]


@pytest.mark.parametrize(("name", "impl"), PAIRS)
def test_second_derivatives_are_those_of_the_reference(name: str, impl: str) -> None:
    """A fused backward kernel has no derivative; with create_graph=True gradients go through the reference."""
    problem = PROBLEMS[name]

    def second(fn: Callable[..., Any], dtype: torch.dtype) -> list[torch.Tensor]:
        call = wants_grad(problem, small_inputs(name).cast(dtype))
        leaves = [t for t in call.tensors().values() if t.requires_grad]
        outputs = as_tuple(fn(*call.args.values()))
        first = torch.autograd.grad(outputs, leaves, [torch.ones_like(o) for o in outputs], create_graph=True)
        total = sum(g.square().sum() for g in first)
        if not total.requires_grad:  # a linear operator has none
            return []
        return list(torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True))

    reference = problem.impls["reference"]
    truth, own = second(reference, torch.float64), second(reference, torch.float32)
    ours = second(problem.impls[impl], torch.float32)
    assert len(truth) == len(own) == len(ours)
    for right, plain, fused in zip(truth, own, ours, strict=True):
        rounding = torch.finfo(torch.float32).eps * right.norm()
        assert (fused - right).norm() <= 2 * max((plain - right).norm(), rounding)


@natively
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(PROBLEMS))
def test_autocast_gives_the_dtype_that_torch_gives(name: str, dtype: str) -> None:
    problem, call = PROBLEMS[name], small_inputs(name, dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        right = as_tuple(problem.impls["reference"](*call.args.values()))
        for impl in (i for i in IMPLS_HERE if i in problem.impls):
            ours = as_tuple(problem.impls[impl](*call.args.values()))
            assert [o.dtype for o in ours] == [o.dtype for o in right]


@pytest.mark.parametrize(("name", "impl"), [p for p in PAIRS if p[1] != "reference"])
def test_the_flop_counter_sees_the_operator(name: str, impl: str) -> None:
    problem, call = PROBLEMS[name], small_inputs(name)
    with FlopCounterMode(display=False) as counter:
        problem.impls[impl](*call.args.values())
    assert counter.get_total_flops() > 0


@natively
@pytest.mark.parametrize("name", list(PROBLEMS))
def test_float64_and_unknown_implementations(name: str) -> None:
    problem, call = PROBLEMS[name], small_inputs(name).cast(torch.float64)
    public = getattr(ops, name)
    outputs = as_tuple(public(*call.args.values()))
    assert all(torch.equal(a, b) for a, b in zip(outputs, problem.run(call), strict=True))
    with pytest.raises(ValueError, match="choose one of reference"):
        public(*call.args.values(), impl="fastest")
    with pytest.raises(ValueError, match=r"not torch\.float64"):
        public(*call.args.values(), impl="triton")
    with pytest.raises(ValueError, match="TRITON_INTERPRET=1"):
        public(*small_inputs(name).args.values(), impl="triton")


@natively
@pytest.mark.parametrize("name", list(PROBLEMS))
def test_the_file_keeps_its_rules(name: str) -> None:
    problem = PROBLEMS[name]
    assert problem.name == name
    assert callable(getattr(ops, name))
    assert ops.module(name).__doc__
    assert next(iter(problem.impls)) == "reference"
    assert problem.source
    assert len({w.name for w in problem.workloads}) == len(problem.workloads)
    for workload in (*problem.workloads, *edges(name)):
        assert problem.cost is not None
        cost = problem.cost(workload)
        assert cost.bytes_read >= 0
        assert cost.bytes_written >= 0
        assert cost.quality == "declared"
        assert cost.derivation
    assert all(w.source for w in problem.workloads)
    assert any(0 in w.axes.values() for w in edges(name)), "no edge is empty"
    assert any(1 in w.axes.values() for w in edges(name)), "no edge has an axis of size 1"
    for space_parameter in problem.space.parameters:
        assert space_parameter.default in space_parameter.values


@natively
@pytest.mark.parametrize("name", list(PROBLEMS))
def test_the_least_bytes_are_those_of_the_tensors(name: str) -> None:
    problem, workload = PROBLEMS[name], ordinary(name)
    assert problem.cost is not None
    call = problem.make_inputs(workload, SEED)
    cost = problem.cost(workload)
    assert cost.bytes_read == sum(t.nbytes for t in call.tensors().values())
    assert cost.bytes_written == sum(o.nbytes for o in problem.run(call))


@natively
@pytest.mark.parametrize("path", sorted(settings.OPS_FOLDER.glob("*.*.json")), ids=lambda p: p.name)
def test_settings_are_data(path: Path) -> None:
    op, arch, _ = path.name.split(".")
    data = json.loads(path.read_text())
    assert (data["op"], data["arch"]) == (op, arch)
    assert op in PROBLEMS
    assert data["origin"] in ("heuristic", "measured")
    for entry in data["entries"]:
        assert set(entry["settings"]) <= {p.name for p in PROBLEMS[op].space.parameters}
        found = settings.choose(op, arch, entry["kernel"], "bfloat16", entry["axes"], {})
        assert found == entry["settings"]


@natively
def test_a_far_size_is_never_snapped() -> None:
    table = ({"kernel": "fwd", "axes": {"M": 1024, "N": 4096}, "settings": {"warps": 8}},)
    near = {"M": 1100, "N": 4000}
    assert settings.nearest(table, "fwd", "bfloat16", near) == {"warps": 8}
    assert settings.nearest(table, "fwd", "bfloat16", {**near, "N": 8192}) is None
    assert settings.nearest(table, "fwd", "bfloat16", {**near, "M": 0}) is None
    assert settings.nearest(table, "bwd", "bfloat16", near) is None
    assert settings.choose("no_such_op", "sm00", "fwd", "bfloat16", near, {"warps": 4}) == {"warps": 4}
    with settings.trial("no_such_op", "fwd", {"warps": 2}):
        assert settings.choose("no_such_op", "sm00", "fwd", "bfloat16", near, {"warps": 4, "rows": 1}) == {
            "warps": 2,
            "rows": 1,
        }
        assert settings.choose("no_such_op", "sm00", "bwd", "bfloat16", near, {"warps": 4}) == {"warps": 4}


@natively
def test_names_stay_functions_however_they_are_imported() -> None:
    code = "import tilewright.ops.softmax; from tilewright import ops; assert callable(ops.softmax); print(ops.names())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="operators: "):
        _ = ops.no_such_operator
    with pytest.raises(KeyError, match="there is no operator"):
        ops.get("no_such_operator")


@natively
def test_triton_implementations_in_the_interpreter() -> None:
    environment = {**os.environ, **INTERPRETER_ENVIRONMENT, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "passed" in done.stdout


# ---- contracts of single operators ---------------------------------------------------------------------------------

WRONG_CALLS = {
    "rms_norm: integers": (lambda: ops.rms_norm(torch.ones(4, dtype=torch.int32)), TypeError, "must be floating"),
    "rms_norm: weight of another length": (
        lambda: ops.rms_norm(torch.ones(2, 4), torch.ones(5)),
        ValueError,
        r"\(4,\)",
    ),
    "rms_norm: integer weight": (
        lambda: ops.rms_norm(torch.ones(2, 4), torch.ones(4, dtype=torch.int64)),
        ValueError,
        "weight must be floating",
    ),
    "rms_norm: residual of another dtype": (
        lambda: ops.rms_norm(torch.ones(2, 4), None, torch.ones(2, 4, dtype=torch.bfloat16)),
        ValueError,
        "residual must be like x",
    ),
    "softmax: CUDA on a CPU": (lambda: ops.softmax(torch.ones(4), impl="cuda"), ValueError, "an NVIDIA GPU"),
    "softmax: integers": (lambda: ops.softmax(torch.ones(4, dtype=torch.int32)), TypeError, "dtype="),
    "softmax: no such axis": (lambda: ops.softmax(torch.ones(2, 4), dim=2), IndexError, "outside the 2 axes"),
    "gemm: inner sizes differ": (
        lambda: ops.gemm(torch.ones(2, 3), torch.ones(4, 5)),
        ValueError,
        r"\(2, 3\) and \(4, 5\)",
    ),
    "gemm: a vector": (lambda: ops.gemm(torch.ones(3), torch.ones(3, 5)), ValueError, "must be"),
    "gemm: dtypes differ": (lambda: ops.gemm(torch.ones(2, 3), torch.ones(3, 5).double()), TypeError, "share"),
    "gemm: bias of another length": (
        lambda: ops.gemm(torch.ones(2, 3), torch.ones(3, 5), torch.ones(4)),
        ValueError,
        r"shape \(5,\)",
    ),
    "gemm: unknown activation": (
        lambda: ops.gemm(torch.ones(2, 3), torch.ones(3, 5), activation="tanh"),
        ValueError,
        "none, relu, gelu, silu",
    ),
}


@natively
@pytest.mark.parametrize("case", list(WRONG_CALLS))
def test_a_broken_contract_is_named_in_one_line(case: str) -> None:
    call, kind, words = WRONG_CALLS[case]
    with pytest.raises(kind, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(case.partition(":")[0])


@natively
@pytest.mark.parametrize("shape", [(6,), (2, 3, 6), (2, 1, 3, 6)])
def test_leading_axes_are_rows(shape: tuple[int, ...]) -> None:
    x, weight, b = torch.randn(shape), torch.randn(shape[-1]), torch.randn(shape[-1], 5)
    rows = x.reshape(-1, shape[-1])
    for ours, flat in (
        (ops.rms_norm(x, weight), ops.rms_norm(rows, weight)),
        (ops.rms_norm(x, weight, x)[1], ops.rms_norm(rows, weight, rows)[1]),
        (ops.softmax(x), ops.softmax(rows)),
    ):
        assert ours.shape == x.shape
        assert torch.equal(ours.reshape(rows.shape), flat)
    if x.dim() > 1:
        assert ops.gemm(x, b).shape == (*shape[:-1], 5)


@natively
@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dim", [0, 1, -1, -3])
def test_softmax_has_the_signature_of_torch(dim: int, dtype: torch.dtype | None) -> None:
    x = torch.randn(3, 5, 7).to(torch.bfloat16)
    ours, right = ops.softmax(x, dim, dtype), torch.softmax(x, dim, dtype)
    assert (ours.dtype, ours.shape, ours.stride()) == (right.dtype, right.shape, right.stride())
    last = x.to(right.dtype).movedim(dim, -1).contiguous()
    assert torch.equal(ours, ops.softmax(last).movedim(-1, dim))


@natively
def test_softmax_keeps_what_is_not_finite() -> None:
    x = torch.randn(4, 9)
    x[0], x[1, 3], x[2, 4], x[3, :5] = -math.inf, math.nan, math.inf, -math.inf
    ours, right = ops.softmax(x), torch.softmax(x, -1)
    assert torch.equal(ours.isnan(), right.isnan())
    assert torch.equal(ours == 0, right == 0)


@natively
@pytest.mark.skipif(not HAS_COMPILER, reason="no C++ compiler: install g++")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_cpp_converts_as_torch_does(dtype: torch.dtype) -> None:
    """Every bit pattern of the narrow type, the ties between neighbours, and random bit patterns of float32."""
    from tilewright.ops._lib import cpp_rows

    source = """
        ENTRY void both(const float* x, element_t* y, float* back, int64_t n) {
            for (int64_t i = 0; i < n; i++) { y[i] = narrow(x[i]); back[i] = widen(y[i]); }
        }
    """
    patterns = torch.arange(1 << 16, dtype=torch.int32).to(torch.int16).view(dtype).float()
    ties = (patterns + patterns.roll(-1)) / 2
    bits = torch.randint(-(1 << 31), 1 << 31, (1 << 18,), generator=torch.Generator().manual_seed(SEED))
    x = torch.cat([patterns, ties, bits.to(torch.int32).view(torch.float32)])
    y, back = torch.empty_like(x, dtype=dtype), torch.empty_like(x)
    cpp_rows.call(source, "both", dtype, x, y, back, x.numel())
    right = x.to(dtype)
    nan = right.isnan()
    assert torch.equal(y.isnan(), nan)
    assert torch.equal(y.view(torch.int16)[~nan], right.view(torch.int16)[~nan])
    assert torch.equal(back[~nan], right.float()[~nan])


def test_the_interpreter_rounds_as_hardware_does() -> None:
    from tilewright.build.interpreter import round_to_bfloat16, truncates_bfloat16, widen_bfloat16

    assert not truncates_bfloat16()
    x = torch.randint(-(1 << 31), 1 << 31, (1 << 16,), generator=torch.Generator().manual_seed(SEED))
    values = x.to(torch.int32).view(torch.float32)
    ours, right = round_to_bfloat16(values.numpy()), values.to(torch.bfloat16)
    kept = ~right.isnan().numpy()
    assert (ours[kept] == right.view(torch.int16).numpy().view("uint16")[kept]).all()
    assert (widen_bfloat16(ours)[kept] == right.float().numpy()[kept]).all()
