"""The clock of a GPU, read from an NVML that is stood in for: no GPU is needed here."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from tilewright.device import ClockState
from tilewright.device.clock_state import nvml_driver_version, throttle_words


class NVMLError(Exception):
    pass


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A pynvml with two GPUs, of which the second draws 700 W and is held down by it."""
    fake = types.SimpleNamespace(NVMLError=NVMLError, NVML_CLOCK_SM=1, NVML_CLOCK_MEM=2, NVML_TEMPERATURE_GPU=0)
    fake.nvmlInit = lambda: None
    fake.nvmlSystemGetDriverVersion = lambda: "580.1"
    fake.nvmlDeviceGetHandleByIndex = lambda index: ["first", "second"][index]
    fake.nvmlDeviceGetHandleByUUID = {"GPU-b": "second"}.__getitem__
    fake.nvmlDeviceGetClockInfo = lambda handle, which: {1: 1980 if handle == "first" else 1300, 2: 3201}[which]
    fake.nvmlDeviceGetMaxClockInfo = lambda handle, which: 1980
    fake.nvmlDeviceGetPowerUsage = lambda handle: 90_000 if handle == "first" else 699_500
    fake.nvmlDeviceGetEnforcedPowerLimit = lambda handle: 700_000
    fake.nvmlDeviceGetTotalEnergyConsumption = lambda handle: 1_500
    fake.nvmlDeviceGetTemperature = lambda handle, sensor: 41
    fake.nvmlDeviceGetCurrentClocksThrottleReasons = lambda handle: 0x1 if handle == "first" else 0x4
    fake.nvmlDeviceGetUtilizationRates = lambda handle: types.SimpleNamespace(gpu=50)
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setattr("tilewright.device.clock_state._uuid_in_cuda", lambda index: None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


def refuse(*arguments: object) -> Any:
    raise NVMLError


def test_a_sample_has_units_and_words(nvml: Any) -> None:
    state = ClockState(1)
    sample = state.sample()
    assert sample is not None
    assert (sample.sm_clock_hz, sample.memory_clock_hz) == (1.3e9, 3.201e9)
    assert (sample.power_w, sample.temperature_c) == (pytest.approx(699.5), 41)
    assert sample.throttle == ("power cap",)
    assert (state.power_limit_w, state.max_sm_clock_hz, state.busy, state.energy_j) == (700.0, 1.98e9, 0.5, 1.5)


@pytest.mark.parametrize("visible", ["1,0", "GPU-b", " 1 , 0"])
def test_the_gpu_is_the_one_that_cuda_would_take(nvml: Any, visible: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    sample = ClockState(0).sample()
    assert sample is not None
    assert sample.sm_clock_hz == 1.3e9


def test_what_a_gpu_does_not_report_is_left_out(nvml: Any) -> None:
    nvml.nvmlDeviceGetPowerUsage = nvml.nvmlDeviceGetCurrentClocksThrottleReasons = refuse
    nvml.nvmlDeviceGetTotalEnergyConsumption = refuse
    assert ClockState(0).energy_j is None
    sample = ClockState(0).sample()
    assert sample is not None
    assert (sample.power_w, sample.throttle, sample.sm_clock_hz) == (None, (), 1.98e9)


def test_nothing_is_raised_where_nvml_cannot_be_asked(nvml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    state = ClockState(0)
    nvml.nvmlDeviceGetClockInfo = nvml.nvmlDeviceGetUtilizationRates = nvml.nvmlSystemGetDriverVersion = refuse
    assert (state.sample(), state.busy, nvml_driver_version()) == (None, None, None)
    nvml.nvmlDeviceGetHandleByIndex = refuse
    assert ClockState(0).sample() is None
    nvml.nvmlInit = refuse
    assert ClockState(0).sample() is None
    assert ClockState(0).power_limit_w is None
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert ClockState(0).sample() is None
    assert nvml_driver_version() is None


def test_reasons_are_words_and_unknown_bits_keep_their_number() -> None:
    assert throttle_words(0) == ()
    assert throttle_words(0x4 | 0x20) == ("power cap", "thermal")
    assert throttle_words(0x1 | 1 << 20) == ("idle", "reason 0x100000")
