"""A profile on a GPU: what CUPTI sees is attributed, and agrees with torch.profiler's own sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import tilewright
from tilewright.profile import recorder
from tilewright.profile.calls import runs_of
from tilewright.profile.events import read_trace

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    layers = [nn.Linear(2048, 2048), nn.GELU(), nn.LayerNorm(2048), nn.Linear(2048, 2048)]
    return nn.Sequential(*layers).cuda().bfloat16()


@pytest.fixture(scope="module")
def result(model: Any) -> Any:
    x = torch.randn(4096, 2048, device="cuda", dtype=torch.bfloat16)
    return tilewright.profile(lambda: model(x).sum().backward(), warmup=3, runs=5)


def test_all_device_work_has_an_operator_and_its_time_is_counted_once(result: Any) -> None:
    assert result.device_kind == "cuda"
    assert all(k.operators != ("",) for k in result.kernels)
    assert sum(k.device_s for k in result.kernels) == pytest.approx(result.measured_s, rel=0.2)  # medians, and one run
    linear = [o for o in result.operators if o.op == "aten::linear"]
    assert sum(o.calls for o in linear) == 2 and all(o.fits == "gemm" and o.bound_s for o in linear)
    assert any(m.module == "LayerNorm" and m.fused for m in result.modules)
    assert any(m.module == "Linear" and m.backward for m in result.modules)  # from autograd's own thread


def test_launches_are_delayed_by_what_is_queued_before_them(result: Any) -> None:
    found = result.launches
    assert found is not None
    assert found.kernels == sum(k.calls for k in result.kernels)
    assert found.tklqt_s > 0
    assert 0 <= found.idle_share < 1
    assert 0 <= result.launch_bound_share <= 1


def test_operators_take_on_the_device_what_the_profiler_says(model: Any, tmp_path: Path) -> None:
    x = torch.randn(4096, 2048, device="cuda", dtype=torch.bfloat16)
    kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.no_grad():
        model(x)
        with torch.profiler.profile(activities=kinds, record_shapes=True, acc_events=True) as seen:
            model(x)
            torch.cuda.synchronize()
    seen.export_chrome_trace(str(tmp_path / "trace.json"))
    (run,) = runs_of(read_trace(tmp_path / "trace.json"))
    ours: dict[str, float] = {}
    for call in run.calls:
        if call.kernels:
            ours[call.name] = ours.get(call.name, 0.0) + call.device_ns / 1e3
    device = [e for e in seen.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    assert sum(ours.values()) == pytest.approx(sum(e.time_range.elapsed_us() for e in device), rel=0.001)
    own = {e.key: e.self_device_time_total for e in seen.key_averages()}  # totals hold some kernels twice
    leaves = {"aten::linear": "aten::addmm", "aten::gelu": "aten::gelu", "aten::layer_norm": "aten::native_layer_norm"}
    assert ours == pytest.approx({name: own[leaf] for name, leaf in leaves.items()}, rel=0.01)


def test_a_graph_is_one_launch() -> None:
    x = torch.randn(1 << 20, device="cuda")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(5):
            x.mul_(1.01)
    seen = recorder.record(graph.replay, warmup=1, runs=3, say=lambda _: None)
    assert len(seen.run.kernels) == 5
    assert sum(k.first for k in seen.run.kernels) == 1
    assert seen.run.loose == seen.run.kernels
