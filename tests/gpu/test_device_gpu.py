"""The GPU as it is found, its clock, and its ceilings measured, on the machine itself. Run by `make gpu-test`."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from tilewright.bound import bound
from tilewright.device import ClockState, Device, DeviceUnavailable, Profile, calibrate, ceiling_kernels, detect
from tilewright.device.replay import capture
from tilewright.problem import Cost

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def gpu(tmp_path_factory: pytest.TempPathFactory) -> Device:
    """The first GPU, measured quickly into an empty cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TILEWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        device = calibrate(detect("cuda:0"), quick=True)
        assert detect("cuda:0").profile == device.profile
    return device


@pytest.fixture(scope="module")
def profile(gpu: Device) -> Profile:
    assert gpu.profile is not None
    return gpu.profile


def test_the_gpu_is_described_and_every_gpu_of_its_kind_has_the_same_profile() -> None:
    device = detect("auto")
    there = torch.cuda.get_device_properties(device.index)
    assert (device.kind, device.name, device.cores) == ("cuda", there.name, there.multi_processor_count)
    assert device.fingerprint["compute_capability"] == f"{there.major}.{there.minor}"
    assert device.fingerprint["driver"]
    for index in range(torch.cuda.device_count()):
        other = detect(f"cuda:{index}")
        assert other.index == index
        assert other.name != device.name or other.fingerprint == device.fingerprint


def test_a_gpu_that_is_not_there_is_said() -> None:
    with pytest.raises(DeviceUnavailable, match="counted from 0"):
        detect(f"cuda:{torch.cuda.device_count()}")
    with pytest.raises(DeviceUnavailable, match="detect the device again"):
        calibrate(detect("cuda:0").with_(name="NVIDIA T4"))


def test_no_rate_is_above_the_datasheet_and_none_is_far_below(gpu: Device, profile: Profile) -> None:
    """Where the datasheet is known. 40 % of it is reached by any sane way; a clock above the rated one is allowed."""
    if gpu.peaks is None:
        pytest.skip(f"no datasheet of {gpu.name}")
    for curve in (profile.cold_copy, profile.cold_read, profile.cold_write):
        assert 0.5 * gpu.peaks.bytes_per_s < curve[-1][1] <= gpu.peaks.bytes_per_s
        assert max(rate for _, rate in curve) <= gpu.peaks.bytes_per_s
    boost = (gpu.max_clock_hz or gpu.peaks.clock_hz or 1.0) / (gpu.peaks.clock_hz or 1.0)
    for dtype, rate in profile.matrix.items():
        assert 0.4 < rate / gpu.peaks.flops[dtype] <= max(1.0, boost), dtype


def test_the_cache_is_faster_than_the_memory(gpu: Device, profile: Profile) -> None:
    within = [n for n, _ in profile.read if 0.05 * gpu.cache_bytes <= n <= 0.6 * gpu.cache_bytes]
    assert within
    for warm, cold in ((profile.copy, profile.cold_copy), (profile.read, profile.cold_read)):
        assert all(dict(warm)[n] > dict(cold)[n] for n in within)


def test_costs_of_a_call_are_in_their_order(profile: Profile) -> None:
    assert profile.graph_launch_s is not None
    assert profile.launch_s is not None
    assert profile.graph_replay_s is not None
    assert 2e-7 < profile.graph_launch_s < profile.launch_s < profile.call_s < 1e-3
    assert profile.graph_launch_s < profile.graph_replay_s


def test_exp_is_not_held_back_by_memory(profile: Profile) -> None:
    assert profile.special_per_s > profile.cold_copy[-1][1] / 8  # of float32 numbers, read and written


def test_a_copy_in_memory_takes_about_its_bound(gpu: Device) -> None:
    """One more way to copy than those that made the ceiling: it may be slower, and can hardly be faster."""
    x = torch.rand(1 << 28, device="cuda")
    times = []
    for _ in range(9):
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        y = x.clone()
        last.record()
        last.synchronize()
        times.append(first.elapsed_time(last) * 1e-3)
        del y
    fraction = bound(Cost(bytes_read=x.nbytes, bytes_written=x.nbytes), gpu).fraction(sorted(times)[4])
    assert fraction is not None
    assert 0.6 < fraction < 1.05


def test_the_kernels_behind_the_ceilings_do_their_work() -> None:
    view, sink = torch.rand(1 << 16, device="cuda"), torch.full((2048,), -1.0, device="cuda")
    for copy in ceiling_kernels.copies(view):
        view[1 << 15 :] = -1
        copy()
        assert torch.equal(view[1 << 15 :], view[: 1 << 15])
    for read in ceiling_kernels.reads(view, sink):
        read()
        assert bool((sink == -1).all())
    for write in ceiling_kernels.writes(view):
        view.zero_()
        write()
        assert bool((view == 0.5).all())
    call, count = ceiling_kernels.exps(view, rounds=4)
    call()
    assert count == 32 * view.numel()
    x = torch.arange(1024, device="cuda", dtype=torch.float64) / 1024
    for _ in range(32):
        x = torch.exp(-x)
    assert float((view.view(-1, 1024) / x - 1).abs().max()) < 32 * torch.finfo(torch.float32).eps
    for shared, wanted in ((False, 3.0), (True, 3.0 * 1024)):
        counts = torch.zeros(1024, device="cuda")
        call, count = ceiling_kernels.atomics(counts, 3, shared)
        call()
        assert count == float(counts.sum()) == 3 * 1024 and float(counts[0]) == wanted
    if torch.cuda.get_device_capability() == (9, 0):
        a, b = (torch.randint(-128, 128, (rows, 256), dtype=torch.int8, device="cuda") for rows in (256, 512))
        out = torch.empty(256, 512, dtype=torch.int32, device="cuda")
        ceiling_kernels.int8_product(a, b, out)()
        assert torch.equal(out, torch._int_mm(a, b.t()))


def test_a_graph_keeps_what_it_works_on_alive() -> None:
    def calls() -> list[Callable[[], object]]:
        x, out = torch.full((1 << 20,), 3.0, device="cuda"), torch.empty(1 << 20, device="cuda")
        outs.append(weakref.ref(out))
        return [partial(torch.neg, x, out=out)]

    outs: list[weakref.ref[torch.Tensor]] = []
    replay = capture(calls(), 1e-4, torch.cuda.Stream())
    gc.collect()
    out = outs[0]()
    assert out is not None
    assert replay.seconds_per_call(3).call_s > 0
    assert bool((out == -3).all())


def test_settings_and_memory_are_given_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TILEWRIGHT_CACHE", str(tmp_path))
    matmul = torch.backends.cuda.matmul
    before, held_bytes = matmul.fp32_precision, torch.cuda.memory_allocated()
    calibrate(detect("cuda:0"), quick=True)
    assert matmul.fp32_precision == before
    assert torch.cuda.memory_allocated() <= held_bytes + (64 << 20)  # cuBLAS keeps a workspace for each stream


def test_the_clock_is_read_in_microseconds_beside_running_work() -> None:
    state = ClockState(0)
    if state.sample() is None:
        pytest.skip("no NVML here")
    x = torch.randn(4096, 4096, device="cuda")
    for _ in range(20):
        x @ x
    sample = state.sample()
    torch.cuda.synchronize()
    assert sample is not None
    assert "idle" not in sample.throttle
    assert sample.sm_clock_hz
    assert state.max_sm_clock_hz
    assert 0.2 * state.max_sm_clock_hz < sample.sm_clock_hz <= state.max_sm_clock_hz
    started = time.perf_counter()
    for _ in range(100):
        state.sample()
    assert (time.perf_counter() - started) / 100 < 1e-3
