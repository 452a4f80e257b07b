"""The clock of a GPU while something is measured on it: frequency, power, temperature, and what holds the clock down.

    state = ClockState(index=0)
    sample = state.sample()          # ClockSample, or None where NVML cannot be asked

A reading takes some microseconds and starts nothing on the GPU, so it may be taken beside a measurement. The counter of
energy is no part of it: to read that takes milliseconds, and it moves about ten times a second. NVML counts GPUs in the
order of their slots, CUDA in an order of its own and only those that CUDA_VISIBLE_DEVICES shows; so the GPU is found by
its UUID where CUDA is in use, and by that variable where it is not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from ..schema import Noun

# Bits of NVML's clock event reasons, in words. The application and display clocks are settings, not troubles.
_REASONS = {
    0x001: "idle",
    0x002: "application clocks",
    0x004: "power cap",
    0x008: "hardware slowdown",
    0x010: "sync boost",
    0x020: "thermal",
    0x040: "hardware thermal",
    0x080: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability",
}


class ClockSample(Noun):
    """One reading. `throttle` names why the clock is below its highest ("power cap", "thermal", "idle", ...), empty
    where nothing holds it down. A field that this GPU does not report is None."""

    sm_clock_hz: float | None = None
    memory_clock_hz: float | None = None
    power_w: float | None = None
    throttle: tuple[str, ...] = ()
    temperature_c: float | None = None


class ClockState:
    """Reads the clock of the GPU that CUDA calls `index` in this process. Never raises: without NVML, or where the GPU
    was lost, `sample` returns None and the limits are None."""

    def __init__(self, index: int = 0) -> None:
        self._nvml = _started_nvml()
        self._handle = _find_gpu(self._nvml, index) if self._nvml else None

    def sample(self) -> ClockSample | None:
        """Return the state of this moment."""
        if self._nvml is None or self._handle is None:
            return None
        nvml = self._nvml
        sm_clock_hz = self._read(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM, scale=1e6)
        if sm_clock_hz is None:
            return None
        bits = self._read(nvml.nvmlDeviceGetCurrentClocksThrottleReasons)  # the name that old drivers know too
        return ClockSample(
            sm_clock_hz=sm_clock_hz,
            memory_clock_hz=self._read(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_MEM, scale=1e6),
            power_w=self._read(nvml.nvmlDeviceGetPowerUsage, scale=1e-3),
            throttle=throttle_words(int(bits or 0)),
            temperature_c=self._read(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
        )

    @property
    def power_limit_w(self) -> float | None:
        """The power that the GPU is held to now, in watts."""
        return self._read(self._nvml.nvmlDeviceGetEnforcedPowerLimit, scale=1e-3) if self._nvml else None

    @property
    def energy_j(self) -> float | None:
        """What the whole board has used since its driver was loaded, in joules."""
        return self._read(self._nvml.nvmlDeviceGetTotalEnergyConsumption, scale=1e-3) if self._nvml else None

    @property
    def max_sm_clock_hz(self) -> float | None:
        """The highest clock that the multiprocessors may boost to."""
        if self._nvml is None:
            return None
        return self._read(self._nvml.nvmlDeviceGetMaxClockInfo, self._nvml.NVML_CLOCK_SM, scale=1e6)

    @property
    def busy(self) -> float | None:
        """The share of the last second or so in which any process ran a kernel on the GPU."""
        if self._nvml is None or self._handle is None:
            return None
        try:
            return float(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu) / 100
        except self._nvml.NVMLError:
            return None

    def _read(self, ask: Callable[..., Any], *arguments: Any, scale: float = 1.0) -> float | None:
        if self._nvml is None or self._handle is None:
            return None
        try:
            return float(ask(self._handle, *arguments)) * scale
        except self._nvml.NVMLError:  # this GPU does not report it, or is gone
            return None


def throttle_words(bits: int) -> tuple[str, ...]:
    """Return the names of the reasons whose bits are set; an unknown bit keeps its number."""
    known = tuple(word for bit, word in _REASONS.items() if bits & bit)
    unknown = bits & ~sum(_REASONS)
    return (*known, f"reason {unknown:#x}") if unknown else known


def nvml_driver_version() -> str | None:
    """Return the driver's version as NVML knows it; None without NVML."""
    nvml = _started_nvml()
    if nvml is None:
        return None
    try:
        return str(nvml.nvmlSystemGetDriverVersion())
    except nvml.NVMLError:
        return None


def _started_nvml() -> Any | None:
    """Return the pynvml module with NVML started in this process; starting it again only counts."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver, no NVIDIA GPU
        return None
    return pynvml


def _find_gpu(nvml: Any, index: int) -> Any | None:
    try:
        name = _uuid_in_cuda(index) or _visible_name(index)
        if not name.isdigit():
            return nvml.nvmlDeviceGetHandleByUUID(name)
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    except nvml.NVMLError:
        return None


def _uuid_in_cuda(index: int) -> str | None:
    """Return the UUID of CUDA's GPU `index` where this process uses CUDA already; it is not started for this."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized() or index >= torch.cuda.device_count():
        return None
    found = getattr(torch.cuda.get_device_properties(index), "uuid", None)
    return f"GPU-{found}" if found else None


def _visible_name(index: int) -> str:
    """Return what CUDA_VISIBLE_DEVICES calls GPU `index`: a number or a UUID; the number itself where it is not set."""
    names = [n.strip() for n in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if n.strip()]
    return names[index] if index < len(names) else str(index)
