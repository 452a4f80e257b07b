"""What this machine is, datasheet limits, and profiles measured, stored and read back."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tilewright import show
from tilewright.device import (
    ClockSample,
    Device,
    DeviceUnavailable,
    Peaks,
    Profile,
    calibrate,
    ceilings,
    detect,
    environment,
    rate_at,
)
from tilewright.device.machine import available_cores, available_memory_bytes, cpu_arch, peaks_of
from tilewright.device.stored import known_peaks, load_profile, profile_path
from tilewright.device.ways import best_median_s
from tilewright.measure.streams import streams

V2 = {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}
V3 = V2 | {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}
V4 = V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Device:
    """This CPU with a cache small enough to calibrate in a second, and an empty cache folder."""
    monkeypatch.setattr(ceilings, "_QUICK", ceilings._Effort(op_s=5e-4, matrix_s=1e-3, every=3))
    monkeypatch.setattr(ceilings, "_MATRIX_SHAPES", ((64, 64, 64),))
    monkeypatch.setenv("TILEWRIGHT_CACHE", str(tmp_path))
    monkeypatch.setattr("tilewright.device.machine.last_level_cache_bytes", lambda: 64 << 10)
    return detect("cpu")


def test_the_cpu_is_described_within_its_limits() -> None:
    device = detect("cpu")
    assert device.kind == "cpu"
    assert device.name
    assert 1 <= device.cores <= len(os.sched_getaffinity(0))
    assert 0 < device.memory_bytes <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert device.cache_bytes >= 0
    assert device.peaks is None


@pytest.mark.parametrize(
    ("flags", "arch"),
    [(set(), "x86-64"), (V2, "x86-64-v2"), (V3, "x86-64-v3"), (V4, "x86-64-v4"), (V4 - {"fma"}, "x86-64-v2")],
)
def test_the_x86_level_needs_every_feature_below_it(
    flags: set[str], arch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert cpu_arch(frozenset(flags)) == arch


@pytest.mark.parametrize(
    "files",
    [
        {
            "/proc/self/cgroup": "0::/a/b\n",
            "/sys/fs/cgroup/a/cpu.max": "50000 100000\n",
            "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
            "/sys/fs/cgroup/a/b/memory.max": "1048576\n",
        },
        {
            "/proc/self/cgroup": "4:memory:/job\n2:cpu,cpuacct:/job\n",
            "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "50000\n",
            "/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            "/sys/fs/cgroup/memory/job/memory.limit_in_bytes": "1048576\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    ],
    ids=["version 2, limit of a parent", "version 1"],
)
def test_limits_of_the_control_group_are_kept(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilewright.device.machine._read", lambda path: files.get(str(path)))
    assert available_cores() == 1
    assert available_memory_bytes() == 1 << 20


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match='use "auto", "cpu", "cuda" or "cuda:N"'):
        detect("tpu")
    with pytest.raises(ValueError, match="unknown device"):
        detect("cuda:one")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_said_and_auto_takes_the_cpu() -> None:
    with pytest.raises(DeviceUnavailable, match="no GPU: PyTorch"):
        detect("cuda")
    assert detect("auto").kind == "cpu"


def test_the_environment_is_plain_and_names_the_versions() -> None:
    found = environment()
    assert found["torch"] == torch.__version__
    assert found["cores"] == detect("cpu").cores
    plain = [v for value in found.values() for v in (value.values() if isinstance(value, dict) else [value])]
    assert all(isinstance(value, str | int | None) for value in plain)


def test_a_profile_is_measured_stored_and_found_again(small: Device) -> None:
    assert small.profile is None
    profile = calibrate(small, quick=True).profile
    assert profile is not None
    assert [size for size, _ in profile.copy] == sorted({size for size, _ in profile.copy})
    assert profile.copy[-1][0] >= 8 * small.cache_bytes
    assert profile.matrix["float32"] > 0
    assert 0 < profile.call_s < 1e-2
    assert detect("cpu").profile == profile


def test_threads_are_given_back_after_calibration(small: Device) -> None:
    before = torch.get_num_threads()
    calibrate(small, quick=True)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("damage", ["", "{", '{"copy": []}', '{"copy": [[1, -1.0]]}'])
def test_a_damaged_profile_is_ignored_and_replaced(
    small: Device, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = profile_path(small.fingerprint)
    path.parent.mkdir(parents=True)
    path.write_text(damage)
    assert detect("cpu").profile is None
    assert "calibrate again" in caplog.text
    measured = calibrate(small, quick=True)
    assert detect("cpu").profile == measured.profile
    assert list(path.parent.iterdir()) == [path]


def test_a_profile_of_another_machine_is_not_used(small: Device) -> None:
    calibrate(small, quick=True)
    assert load_profile({**small.fingerprint, "cores": 4096}) is None
    other = profile_path({**small.fingerprint, "cores": 4096})
    other.write_bytes(profile_path(small.fingerprint).read_bytes())
    assert load_profile({**small.fingerprint, "cores": 4096}) is None


def test_a_cache_folder_that_cannot_be_written_is_said(
    small: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TILEWRIGHT_CACHE", str(tmp_path / "file"))
    said: list[str] = []
    assert calibrate(small, said.append, quick=True).profile is not None
    assert any("could not store the profile" in line for line in said)


def test_a_gpu_is_not_calibrated_by_guessing() -> None:
    gpu = Device(kind="cuda", name="NVIDIA H200", arch="sm_90", cores=132, cache_bytes=1, memory_bytes=1)
    with pytest.raises(DeviceUnavailable):
        calibrate(gpu)


CURVES = st.lists(
    st.tuples(st.integers(1, 1 << 40), st.floats(1.0, 1e13)), min_size=1, max_size=6, unique_by=lambda p: p[0]
).map(lambda points: tuple(sorted(points)))


@given(CURVES, st.floats(1.0, 1e13))
def test_a_curve_is_met_at_its_points_and_never_left(curve: tuple[tuple[int, float], ...], size: float) -> None:
    for at, rate in curve:
        assert math.isclose(rate_at(curve, at), rate)
    rates = [rate for _, rate in curve]
    assert min(rates) * (1 - 1e-12) <= rate_at(curve, size) <= max(rates) * (1 + 1e-12)
    assert rate_at(curve, curve[0][0] / 2) == curve[0][1]
    assert rate_at(curve, curve[-1][0] * 2) == curve[-1][1]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("NVIDIA H200", "NVIDIA H200 SXM"),
        ("NVIDIA H200 NVL", "NVIDIA H200 NVL"),
        ("NVIDIA H100 80GB HBM3", "NVIDIA H100 SXM"),
        ("NVIDIA H100 PCIe", "NVIDIA H100 PCIe"),
        ("NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB"),
        ("NVIDIA A100-PCIE-40GB", "NVIDIA A100 40GB"),
        ("NVIDIA L40S", "NVIDIA L40S"),
        ("NVIDIA B200", "NVIDIA B200"),
        ("AMD Instinct MI300X", "AMD Instinct MI300X"),
        ("NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 4090"),
        ("NVIDIA GB200", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA T4", None),
    ],
)
def test_datasheets_are_found_by_the_name_that_drivers_report(name: str, found: str | None) -> None:
    peaks = peaks_of(name)
    assert (peaks and peaks.name) == found


@pytest.mark.parametrize("peaks", known_peaks(), ids=lambda p: p.name)
def test_datasheet_rates_are_dense_and_agree_with_units_and_clock(peaks: Peaks) -> None:
    """A unit does a power of two of operations per clock; a figure with sparsity, or a wrong clock, does not fit the
    next rule: a format of half the width runs at most twice as fast (four times with half the accumulator)."""
    assert peaks.clock_hz is not None
    per_clock = peaks.flops["bfloat16"] / peaks.units / peaks.clock_hz
    assert abs(math.log2(per_clock) - round(math.log2(per_clock))) < 0.01
    assert peaks.flops["tf32"] <= peaks.flops["bfloat16"] <= 2.03 * peaks.flops["tf32"]
    assert peaks.flops.get("float8", 0.0) <= 2.03 * peaks.flops["float16"]
    assert peaks.flops["int8"] <= 4.05 * peaks.flops["bfloat16"]
    assert peaks.max_clock_hz is not None
    assert peaks.clock_hz <= peaks.max_clock_hz <= 1.25 * peaks.clock_hz
    assert peaks.source


def test_exp_on_registers_is_exp_and_sets_the_ceiling(small: Device) -> None:
    loops = streams()
    if loops is None:
        pytest.skip("no C++ compiler")
    x = torch.linspace(0, 87, 1 << 14)
    y = x.clone()
    loops.repeat_exp(y, 1)
    exact = torch.exp(-x.double())
    assert float(((y - exact) / exact).abs().max()) < 2 * torch.finfo(torch.float32).eps
    loops.repeat_exp(y, 2)
    assert torch.allclose(y, torch.exp(-torch.exp(-exact)).float())
    counted: list[int] = []

    def repeat_exp(values: torch.Tensor, rounds: int) -> None:
        counted.append(values.numel() * rounds)
        loops.repeat_exp(values, rounds)

    profile = calibrate(small, quick=True, streams=loops._replace(repeat_exp=repeat_exp)).profile
    assert profile is not None
    assert counted
    x, out = torch.randn(1 << 16), torch.empty(1 << 16)
    assert profile.special_per_s >= 0.5 * x.numel() / best_median_s(lambda: torch.exp(x, out=out), 1e-3)


def test_a_profile_must_hold_real_rates() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        Profile(
            copy=((1, 0.0),), read=(), write=(), matrix={}, call_s=1e-6, special_per_s=1.0, fingerprint={}, created=""
        )


def gpu_profile(**changes: object) -> Profile:
    curve = ((1 << 20, 1.0e12), (1 << 28, 4.2e12), (2 << 30, 4.3e12))
    fields = {
        "matrix": {"bfloat16": 800e12, "float32": 51e12},
        "call_s": 12e-6,
        "special_per_s": 4e12,
        "fingerprint": {"kind": "cuda"},
        "created": "2026-11-20T13:00:00+00:00",
    }
    return Profile(copy=curve, read=curve, write=curve, **{**fields, **changes})


def test_a_profile_of_before_there_were_gpu_fields_is_still_read() -> None:
    old = json.loads(gpu_profile().to_json())
    new_fields = ("cold_copy", "matrix_sustained", "launch_s", "graph_launch_s", "clocks", "power_limit_w")
    read = Profile.from_json(json.dumps({k: v for k, v in old.items() if k not in new_fields}))
    assert read == gpu_profile()
    assert (read.cold_copy, read.matrix_sustained, read.graph_launch_s) == ((), {}, None)


def test_a_gpu_is_shown_with_its_ceilings_beside_the_datasheet(capsys: pytest.CaptureFixture[str]) -> None:
    profile = gpu_profile(
        cold_copy=((1 << 20, 0.5e12), (1 << 28, 4.2e12), (2 << 30, 4.3e12)),
        cold_read=((1 << 20, 0.5e12),),
        cold_write=((1 << 20, 0.5e12),),
        matrix_sustained={"bfloat16": 690e12, "float32": 48e12},
        graph_launch_s=0.9e-6,
        clocks={"sustained bfloat16": ClockSample(sm_clock_hz=1.485e9, power_w=699.6, throttle=("power cap",))},
        power_limit_w=700,
    )
    gpu = Device(
        kind="cuda",
        name="NVIDIA H200",
        arch="sm_90",
        cores=132,
        cache_bytes=60 << 20,
        memory_bytes=150 * 10**9,
        max_clock_hz=1.98e9,
        index=1,
        peaks=peaks_of("NVIDIA H200"),
        profile=profile,
    )
    show.device(gpu)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "device cuda:1: NVIDIA H200 (sm_90, 132 multiprocessors, up to 1.98 GHz)" in lines
    assert "one call 12.0 µs until its result is there; launch in a graph 900 ns" in lines
    assert "bytes moved 1.00 MiB 256 MiB 2.00 GiB" in lines
    assert "copy, cold 500 GB/s 4.20 TB/s 4.30 TB/s" in lines
    assert "copy, in cache 1.00 TB/s – –" in lines
    assert "bfloat16 800 Tflop/s 81 % 690 Tflop/s 1.49 GHz 700 W power cap" in lines
    assert "float32 51.0 Tflop/s 76 % 48.0 Tflop/s – –" in lines
    show.device(gpu.with_(profile=None))
    assert "measured not yet: tilewright device --calibrate" in " ".join(capsys.readouterr().out.split())
