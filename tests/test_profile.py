"""Where the time of a model goes: no time twice, the same top as torch.profiler, and bounds from shapes alone."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import tilewright
from kineto import BF16, GPU_TRACE, kernel, launch, op
from tilewright import show_profile
from tilewright.counting import count_call
from tilewright.device import Device, Profile
from tilewright.formats import InputError, load_problem
from tilewright.problem import Cost
from tilewright.profile import call_cost, program, ranking, recorder, saving, script
from tilewright.profile.call_cost import cost_of_call, costs_of
from tilewright.profile.calls import RUN, covered_ns, is_operator, runs_of
from tilewright.profile.events import Arguments, events_of, read_trace
from tilewright.profile.fits import module_for, operator_for
from tilewright.profile.page import render

aten = torch.ops.aten


class Norm(nn.Module):
    """RMSNorm as most models write it: five operators."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        x = x if residual is None else x + residual
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class Tiny(nn.Module):
    """Two layers of norm, projection and activation, the activation called by the model itself."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(5000, 64)
        self.layers = nn.ModuleList(nn.ModuleList([Norm(64), nn.Linear(64, 64)]) for _ in range(2))

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        x = self.words(words)
        for norm, linear in self.layers:
            x = torch.nn.functional.silu(linear(norm(x)))
        return x.softmax(-1)


def machine(kind: str = "cpu", **changes: Any) -> Device:
    rate = ((1 << 15, 4e12), (1 << 30, 4e12)) if kind == "cuda" else ((1 << 15, 1e10), (1 << 30, 1e10))
    profile = Profile(
        copy=rate, read=rate, write=rate, matrix={"float32": 1e11, "bfloat16": 8e14}, call_s=1e-7, special_per_s=1e12,
        fingerprint={}, created="by hand", graph_launch_s=1e-6 if kind == "cuda" else None,
    )  # fmt: skip
    fields = {"kind": kind, "name": "by hand", "arch": "any", "cores": 1, "cache_bytes": 1 << 20, "memory_bytes": 1}
    return Device(**{**fields, "profile": profile, **changes})


@pytest.fixture(scope="module")
def recording() -> recorder.Recording:
    torch.manual_seed(0)
    model, words = Tiny(), torch.randint(0, 50, (4, 128))
    return recorder.record(lambda: model(words).sum().backward(), warmup=1, runs=3, problems=True, say=lambda _: None)


@pytest.fixture(scope="module")
def result(recording: recorder.Recording) -> Any:
    return ranking.result_of(recording, machine(), "tiny", "callable")


def row(rows: Any, **fields: Any) -> Any:
    found = [r for r in rows if all(getattr(r, name) == value for name, value in fields.items())]
    assert len(found) == 1, [r.model_dump() for r in rows]
    return found[0]


# A GPU's trace, by hand


@pytest.fixture(scope="module")
def gpu_result() -> Any:
    run = runs_of(events_of(GPU_TRACE))[0]
    costs = costs_of(run.calls)
    seen = recorder.Recording(run=run, sites=(), of_call=(), costs=costs, walls_s=(4e-4,), plain_s=(4e-4,), cuda=0)
    return ranking.result_of(seen, machine("cuda", cache_bytes=1 << 26), "by hand", "run")


def test_device_work_belongs_to_the_outermost_operator(gpu_result: Any) -> None:
    linear = row(gpu_result.operators, op="aten::linear")
    assert linear.measured_s == pytest.approx(250e-6)
    assert linear.kernels == ("nvjet_tst_128x256",)
    assert linear.host_s == pytest.approx(25e-6)
    assert linear.bound_s == pytest.approx(2 * 4096**3 / 8e14)
    assert linear.recoverable_s == pytest.approx(linear.measured_s - linear.bound_s)
    assert {r.op for r in gpu_result.operators} == {"aten::linear", "aten::relu", "aten::copy_"}
    assert any("launched nothing on the GPU" in note for note in gpu_result.notes)


def test_tklqt_is_the_sum_from_launch_to_kernel_and_a_graph_is_one_launch(gpu_result: Any) -> None:
    found = gpu_result.launches
    assert found.tklqt_s == pytest.approx(((40 - 15) + (290 - 50) + (300 - 104) + (310 - 120)) / 1e6)
    assert found.kernels == 4
    assert found.latency_s == pytest.approx((340 - 10) / 1e6)
    assert found.idle_share == pytest.approx(1 - (250 + 10 + 5 + 20 + 5) / 330)
    assert found.mean_kernel_s == pytest.approx((250 + 10 + 5 + 20 + 5) / 5 / 1e6)


def test_launch_bound_is_what_the_host_takes_longer_for_than_the_device(gpu_result: Any) -> None:
    assert gpu_result.launch_bound_share == pytest.approx((60 + 8) / (250 + 60 + 8))


def test_kernels_name_their_operators_and_copies_from_the_host_have_no_bound(gpu_result: Any) -> None:
    by_name = {k.name: k for k in gpu_result.kernels}
    assert by_name["triton_poi_fused_relu"].operators == ("aten::relu",)
    assert by_name["graphed_a"].operators == ("",)
    assert "tilewright.run" not in by_name
    copy = row(gpu_result.operators, op="aten::copy_")
    assert copy.bound_s is None and copy.recoverable_s is None and "host" in copy.detail
    assert gpu_result.bounded_s == pytest.approx(260e-6)
    assert gpu_result.measured_s == pytest.approx(265e-6)


def test_what_overlaps_is_covered_once() -> None:
    assert covered_ns([(20, 21), (0, 10), (5, 12), (6, 7)]) == 13


def test_streams_that_overlap_are_not_idle_twice() -> None:
    events = events_of([*GPU_TRACE, {**GPU_TRACE[5], "ts": 100.0, "dur": 100.0, "tid": 8}])
    times = ranking.launch_times(runs_of(events)[0])
    assert times is not None and times.idle_share == pytest.approx(1 - 290 / 330)


def test_work_goes_to_the_operator_that_was_under_way_on_the_launching_thread() -> None:
    found = {c.name: c.device_ns for c in runs_of(events_of(GPU_TRACE))[0].calls}
    assert found == {"aten::linear": 250_000, "aten::t": 0, "aten::relu": 10_000, "aten::copy_": 5_000}
    elsewhere = [{**e, "tid": 10} if e["name"] == "aten::relu" else e for e in GPU_TRACE]
    run = runs_of(events_of(elsewhere))[0]
    assert {c.name: c.device_ns for c in run.calls}["aten::relu"] == 0
    assert [k.name for k in run.loose] == ["triton_poi_fused_relu", "graphed_a", "graphed_b"]


# A CPU's trace, from torch.profiler


def test_no_time_is_counted_twice_and_the_top_is_that_of_the_profiler(tmp_path: Path) -> None:
    x, weight = torch.randn(256, 256), torch.randn(256, 256)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as seen:
        for _ in range(4):
            torch.nn.functional.linear(x, weight).softmax(-1).mul(2)
    seen.export_chrome_trace(str(tmp_path / "trace.json"))
    (run,) = runs_of(read_trace(tmp_path / "trace.json"))
    ours: dict[str, float] = {}
    for call in run.calls:
        ours[call.name] = ours.get(call.name, 0.0) + call.host_ns / 1e3
    theirs = {e.key: e.cpu_time_total for e in seen.key_averages() if e.key in ours}
    assert ours == pytest.approx(theirs, abs=0.1)
    assert sorted(ours, key=lambda n: -ours[n]) == sorted(theirs, key=lambda n: -theirs[n])
    assert set(ours) == {"aten::linear", "aten::softmax", "aten::mul"}
    top_level = sum(e.cpu_time_total for e in seen.events() if e.cpu_parent is None and is_operator(e.name))
    assert sum(ours.values()) == pytest.approx(top_level, abs=0.1)


def test_recoverable_is_measured_less_bound_summed_over_calls(result: Any) -> None:
    for one in result.operators:
        if one.bound_s is not None:
            assert one.recoverable_s == pytest.approx(one.measured_s - one.bound_s)
    known = [r for r in result.operators if r.recoverable_s is not None]
    assert [r.recoverable_s for r in known] == sorted((r.recoverable_s for r in known), reverse=True)
    assert sum(r.recoverable_s for r in known) == pytest.approx(result.recoverable_s)
    assert sum(r.measured_s for r in result.operators) == pytest.approx(result.measured_s)
    assert result.recoverable_s == pytest.approx(result.bounded_s - result.bound_s)
    assert result.launches is None and 0 < result.outside_s < result.wall_s


def test_each_call_of_an_operator_has_its_own_bound(result: Any) -> None:
    linear = row(result.operators, op="aten::linear")
    assert (linear.calls, linear.shapes) == (2, ((4, 128, 64), (64, 64), (64,)))
    # 512 x 64 x 64 multiply-adds in float32, twice
    assert linear.bound_s == pytest.approx(2 * 2 * 512 * 64 * 64 / 1e11, rel=1e-6)
    assert (linear.limiter, linear.fits) == ("compute", "gemm")
    assert linear.modules == ("Linear in layers.*.*",)


def test_a_module_is_bounded_as_one_kernel(result: Any) -> None:
    norm = row(result.modules, module="Norm", backward=False)
    assert (norm.path, norm.calls, norm.operators, norm.fused) == ("layers.*.*", 2, 12, True)
    moved = 512 * 64 * 4 * 2 + 64 * 4
    assert norm.bound_s == pytest.approx(2 * moved / 1e10)
    apart = [r for r in result.operators if "Norm in layers.*.*" in r.modules and r.op in ("aten::pow", "aten::mul")]
    assert sum(r.bound_s for r in apart) > norm.bound_s
    table = row(result.modules, module="Embedding", backward=False)
    hit = math.ceil(5000 * (1 - (1 - 1 / 5000) ** 512) * 64 * 4)  # rows that 512 draws hit, not the whole table
    assert table.bound_s == pytest.approx((hit + 512 * 64 * 4 + 512 * 8) / 1e10)


def test_modules_with_other_weights_have_rows_of_their_own() -> None:
    model, x = (
        nn.Sequential(nn.Linear(32, 64, bias=False), nn.Flatten(0), nn.Linear(32, 8, bias=False)),
        torch.ones(4, 32),
    )
    seen = recorder.record(lambda: (model[0](x), model[2](x)), warmup=0, runs=1, say=lambda _: None)
    rows = ranking.result_of(seen, machine(), "two", "callable").modules
    assert {(r.read_bytes, r.written_bytes, r.calls) for r in rows} == {
        (4 * (4 * 32 + 32 * 64), 4 * 4 * 64, 1), (4 * (4 * 32 + 32 * 8), 4 * 4 * 8, 1),
    }  # fmt: skip


def test_backward_operators_belong_to_the_module_of_the_forward_ones(result: Any) -> None:
    linear = row(result.modules, module="Linear", backward=True)
    assert linear.path == "layers.*.*" and not linear.fused and linear.operators > 4
    assert row(result.modules, module="Tiny", backward=False).path == ""


def test_autocast_is_bounded_in_the_dtype_that_it_computes_in() -> None:
    linear, x = nn.Linear(64, 64), torch.randn(32, 64)

    def call() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return linear(x)

    seen = recorder.record(call, warmup=1, runs=1, say=lambda _: None)
    (cost,) = [n.cost for c, n in zip(seen.run.calls, seen.costs, strict=True) if c.name == "aten::linear"]
    assert cost is not None and set(cost.flops) == {"bfloat16"}


def test_one_disturbed_run_does_not_show(recording: recorder.Recording) -> None:
    fast, slow = (events_of([op("aten::relu", 10, dur, 2, ([8], "float"))]) for dur in (5, 900))
    runs = [runs_of(events)[0] for events in (fast, slow, fast)]
    assert recorder.typical(runs, runs[1]).calls[0].host_ns == 5_000
    other = runs_of(events_of([op("aten::abs", 10, 5, 2, ([8], "float"))]))[0]
    assert recorder.typical([*runs, other], runs[1]) is runs[1]


# The least work of a call


@pytest.mark.parametrize(
    ("operator", "args", "cost"),
    [
        (aten.mm.default, ((8, 16), (16, 4)), (4 * (8 * 16 + 16 * 4), 4 * 8 * 4, {"float32": 2 * 8 * 16 * 4}, 0)),
        (aten.exp.default, ((8, 8),), (256, 256, {"float32": 64}, 64)),
        (aten.t.default, ((8, 16),), (0, 0, {}, 0)),
        (aten.add_.Tensor, ((8, 8), (8, 8)), (512, 256, {"float32": 64}, 0)),
        (aten.linear.default, ((8, 16), (4, 16)), (4 * (8 * 16 + 4 * 16), 4 * 8 * 4, {"float32": 2 * 8 * 16 * 4}, 0)),
    ],
    ids=str,
)
def test_the_least_work_of_a_call(operator: Any, args: Any, cost: Any) -> None:
    found = count_call(operator, [torch.empty(shape, device="meta") for shape in args], {})
    assert (found.bytes_read, found.bytes_written, found.flops, found.special) == cost


@pytest.mark.parametrize(("text", "value"), [("[1, 2]", [1, 2]), ("2.", 2.0), ("-inf", -float("inf")), ("Gloo", None)])
def test_values_are_read_from_their_texts(text: str, value: Any) -> None:
    assert Arguments(values=("", text)).value(1) == value
    assert Arguments().value(0) is None


def first_call(*raw: dict[str, Any]) -> Any:
    return runs_of(events_of(raw))[0].calls[0]


def test_arguments_are_read_as_the_profiler_writes_them() -> None:
    values = {
        "Input Dims": [[32, 64], [], [], []],
        "Input Strides": [[1, 32], [], [], []],
        "Input type": [BF16, "ScalarList", "Scalar", ""],
        "Concrete Inputs": ["", "[-1]", "True", ""],
    }
    call = first_call(op("aten::mean.dim", 0, 5, 2, **values))
    assert cost_of_call(call).cost == Cost(
        bytes_read=32 * 64 * 2, bytes_written=32 * 2, flops={"bfloat16": 2048}, quality="counted",
        derivation=cost_of_call(call).cost.derivation,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (op("aten::item", 0, 5, 2, ([], "float")), "host"),
        (op("aten::no_such_operator", 0, 5, 2, ([8], "float")), "no such operator"),
        (op("aten::mm", 0, 5, 2, ([8, 4], "float")), "1 arguments of 2"),
        (op("aten::index.Tensor", 0, 5, 2, ([8, 4], "float"), ([], "")), "`indices`"),
    ],
    ids=["item", "unknown", "arity", "untold"],
)
def test_what_cannot_be_counted_says_why(raw: dict[str, Any], why: str) -> None:
    found = cost_of_call(first_call(raw))
    assert found.cost is None
    assert why in found.why


@pytest.mark.parametrize(("allowed", "dtype"), [(True, "tf32"), (False, "float32")])
def test_products_that_may_be_tf32_are_bounded_so(allowed: bool, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_cost, "precision_flags", lambda: {"matmul_tf32": allowed})
    tensors = (([64, 64], "float"), ([64, 64], "float"))
    raw = [op("aten::mm", 0, 9, 2, *tensors), launch("cudaLaunchKernel", 1, 2, 7), kernel("gemm", 12, 5, 7)]
    (found,) = costs_of(runs_of(events_of(raw))[0].calls)
    assert found.cost is not None and found.cost.flops == {dtype: 2 * 64**3}


def test_a_list_of_tensors_has_the_dtype_of_the_call_beside_it() -> None:
    listed = {
        "Input Dims": [[[8, 4], [8, 4]], []], "Input Strides": [[[4, 1], [4, 1]], []],
        "Input type": ["TensorList", "Scalar"], "Concrete Inputs": ["", "0"],
    }  # fmt: skip
    calls = [
        op("aten::relu", 0, 5, 2, ([9, 9], "float")),
        op("aten::neg", 10, 5, 3, ([8, 4], BF16)),
        op("aten::cat", 20, 5, 4, **listed),
    ]
    cat = costs_of(runs_of(events_of(calls))[0].calls)[2]
    assert cat.list_dtype == "bfloat16"
    assert cat.cost is not None and cat.cost.bytes_read == 2 * 2 * 32
    (alone,) = costs_of(runs_of(events_of(calls[2:]))[0].calls)
    assert alone.cost is None and "`tensors`" in alone.why


def test_what_is_no_operator_is_looked_through() -> None:
    assert is_operator("aten::add.Tensor") and is_operator("mylib::op")
    for name in (RUN, "AddmmBackward0", "autograd::engine::evaluate_function: X", "torch::autograd::AccumulateGrad"):
        assert not is_operator(name)
    inside = [op("aten::einsum", 0, 20, 2), op("aten::bmm", 5, 10, 3, ([2, 3, 4], "float"), ([2, 4, 5], "float"))]
    assert [c.name for c in runs_of(events_of(inside))[0].calls] == ["aten::bmm"]


def test_a_library_operator_is_found_by_name() -> None:
    floats = ("float32", "float32")
    assert operator_for("aten::softmax.int", ((8, 8),), floats) == "softmax"
    assert operator_for("aten::linear", ((8, 8), (8, 8)), floats) == "gemm"
    assert operator_for("aten::matmul", ((2, 8, 8), (2, 8, 8)), floats) == ""
    assert operator_for("aten::_softmax_backward_data", ((8, 8),), floats) == ""
    assert operator_for("aten::mm", ((8, 8), (8, 8)), ("int32", "int32")) == ""
    assert [module_for(k) for k in ("LlamaRMSNorm", "Linear", "LogSoftmax", "Conv1d")] == ["rms_norm", "gemm", "", ""]


# Files and commands


def test_problems_of_the_modules_load_and_run(recording: recorder.Recording, result: Any, tmp_path: Path) -> None:
    saved = saving.save_problems(result, recording, tmp_path)
    names = sorted(p.name.partition("_")[2] for p in tmp_path.iterdir())
    assert names == ["embedding_words.py", "linear_layers.py", "norm_layers.py"]
    path = row(saved.modules, module="Norm", backward=False).problem
    assert path in saved.problems
    problem = load_problem(path)
    call = problem.make_inputs(problem.workloads[0], seed=1)
    (out,) = problem.run(call)
    expected = torch.func.functional_call(Norm(64), dict(call.state), tuple(call.args.values()))
    assert torch.equal(out, expected)


class Branches(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.rand(32, 32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.mask


@pytest.mark.parametrize(
    ("module", "kwargs", "why"),
    [
        (Branches(), {}, "control flow"),
        (nn.Dropout(), {}, "random"),
        (Masked(), {}, "`mask` is a table"),
        (Norm(32), {"residual": torch.ones(32, 32)}, ""),
        (nn.LayerNorm(32).bfloat16().eval(), {}, ""),
    ],
    ids=["branches", "random", "table", "residual", "torch.nn"],
)
def test_a_module_stands_alone_or_says_why_not(module: nn.Module, kwargs: Any, why: str) -> None:
    x = torch.randn(32, 32).to(next((p.dtype for p in module.parameters()), torch.float32))
    found = recorder.record(lambda: module(x, **kwargs), warmup=0, runs=1, problems=True, say=lambda _: None)
    (written,) = found.problems.values()
    assert (why in written.why and not written.text) if why else (written.text and not written.why)


def test_a_script_is_told_its_place_and_its_faults_in_one_line(write: Any, tmp_path: Path) -> None:
    assert script.mode_of(write("a.py", "def run(n=3):\n    pass\n")) == "run"
    assert script.mode_of(write("b.py", "def other():\n    pass\n")) == "script"
    for text, why in (
        ("def run(n):\n    pass\n", "line 1: run() needs 1 arguments"),
        ("async def run():\n    pass\n", "async"),
        ("def run(:\n", "line 1"),
    ):
        with pytest.raises(InputError, match=why.replace("(", r"\(").replace(")", r"\)")):
            script.mode_of(write("bad.py", text))
    with pytest.raises(InputError, match="cannot be read"):
        script.mode_of(str(tmp_path / "nowhere.py"))


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("def run():\n    x = 1\n    raise ValueError('no')\n", "run", "line 3: ValueError: no"),
        ("import sys\nsys.exit(3)\n", "script", "ended itself with 3"),
    ],
)
def test_a_script_that_fails_says_where(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: str, why: str
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    request = {"script": write("s.py", text), "arguments": [], "mode": mode, "warmup": 1, "runs": 1}
    (tmp_path / "request.json").write_text(json.dumps({**request, "problems": False, "trace": ""}))
    program.main(str(tmp_path / "request.json"), str(tmp_path / "answer.json"))
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert why in answer["stopped"]
    assert "SystemExit" in answer["traceback"] or "ValueError" in answer["traceback"]


SCRIPT = """
    import inspect, sys, torch
    class Kept:
        pass
    assert inspect.getmodule(Kept).__name__ == "profiled"
    print("printed by the script")
    x = torch.randn(64, int(sys.argv[1]))
    if __name__ == "__main__":
        raise SystemExit("not here")
    def run():
        return x.softmax(-1)
"""


@pytest.fixture(params=["here", pytest.param("in a process", marks=pytest.mark.sweep)])
def started(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the program that a script runs in as a process, or, which is quicker, call it."""

    def called(command: list[str]) -> int:
        monkeypatch.setattr(sys, "argv", [])
        monkeypatch.setattr(sys, "path", list(sys.path))
        program.main(*command[-2:])
        return 0

    if request.param == "here":
        monkeypatch.setattr(script, "_ended", called)


@pytest.mark.usefixtures("known_machine", "started")
def test_the_command_profiles_a_script(tilewright: Any, write: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    model = write("model.py", SCRIPT)
    ended = tilewright("profile", model, "--json", "--warmup", "1", "--runs", "2", "--out", str(out), "--", "48")
    assert ended.code == 0, ended.err
    assert "printed by the script" in ended.err
    (softmax,) = ended.json["operators"]
    assert (softmax["op"], softmax["shapes"], softmax["calls"]) == ("aten::softmax", [[64, 48]], 1)
    assert {p.name for p in out.iterdir()} == {"profile.json", "profile.html", "trace.json"}
    assert json.loads((out / "profile.json").read_text()) == ended.json


@pytest.mark.usefixtures("started")
def test_a_script_that_cannot_be_profiled_ends_with_one_line(tilewright: Any, write: Any) -> None:
    ended = tilewright("profile", write("model.py", SCRIPT), "--", "many")
    assert ended.code == 2
    assert ended.err.splitlines()[-1].startswith("tilewright: ")
    assert "line 7: ValueError: invalid literal" in ended.err.splitlines()[-1]


@pytest.mark.usefixtures("known_machine")
def test_the_function_profiles_a_callable_here() -> None:
    x = torch.randn(32, 32)
    found = tilewright.profile(torch.softmax, x, -1, warmup=1, runs=2)
    assert [r.op for r in found.operators] == ["aten::softmax"]
    assert (found.target, found.mode, len(found.walls_s), len(found.plain_s)) == ("softmax", "callable", 2, 2)
    with pytest.raises(InputError, match="no operator of torch"):
        tilewright.profile(lambda: 3, warmup=0, runs=1)
    with pytest.raises(InputError, match="runs=0"):
        tilewright.profile(torch.softmax, x, -1, runs=0)


def test_tables_and_page_show_the_ranking(result: Any, gpu_result: Any, capsys: pytest.CaptureFixture[str]) -> None:
    show_profile.profile(result)
    cpu = capsys.readouterr().out
    assert "not applicable" in cpu and "layers.*.*" in cpu and "gemm" in cpu
    show_profile.profile(gpu_result)
    gpu = capsys.readouterr().out
    assert "TKLQT 651 µs over 4 launches" in gpu and "nvjet_tst_128x256" in gpu and "no bound" in gpu
    for text in (cpu, gpu):
        assert max(map(len, text.splitlines())) <= 120
    page = render(result)
    assert "Norm" in page and "layers.*.*" in page and "http" not in page and "<script" not in page
