"""What this machine is: cores, caches and memory that this process may really use, and the GPU, if any."""

from __future__ import annotations

import math
import os
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue

from .clock_state import ClockState, nvml_driver_version
from .nouns import Device, DeviceUnavailable, Peaks
from .stored import known_peaks, load_profile

# The x86-64 psABI micro-architecture levels, by the names /proc/cpuinfo uses.
_LEVELS = (
    ("x86-64-v2", {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}),
    ("x86-64-v3", {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}),
    ("x86-64-v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
)
_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8")
_UNLIMITED = 1 << 60  # cgroup v1 writes "no limit" as a number of this order


def detect(kind: str = "auto") -> Device:
    """Return the device of `kind`, with its stored profile when one fits: "cpu", "cuda" (the GPU that PyTorch takes
    now), "cuda:N" (GPU N), or "auto" (the GPU if there is one).

    Raises DeviceUnavailable when a GPU is asked for and there is none, ValueError for an unknown kind.
    """
    found = re.fullmatch(r"auto|cpu|cuda(?::(\d+))?", kind)
    if not found:
        raise ValueError(f'unknown device {kind!r}: use "auto", "cpu", "cuda" or "cuda:N"')
    if kind == "cpu":
        return _cpu()
    try:
        return _cuda(int(found[1]) if found[1] else None)
    except DeviceUnavailable:
        if kind != "auto":
            raise
        return _cpu()


def environment(device: Device | None = None) -> dict[str, Any]:
    """Return what a reader needs to judge or repeat a measurement: versions, machine, limits. Plain JSON values."""
    here = device or _cpu()
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux") if Path("/etc/os-release").exists() else ""
    found: dict[str, Any] = {
        "tilewright": package_version("tilewright"),
        "python": platform.python_version(),
        "torch": package_version("torch"),
        "triton": package_version("triton"),
        "numpy": package_version("numpy"),
        "os": system or platform.system(),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "cpu": cpu_name(),
        "cpu_arch": cpu_arch(cpu_flags()),
        "cores": available_cores(),
        "threads": thread_count(),
        "memory_bytes": available_memory_bytes(),
        "device": here.name,
        "device_kind": here.kind,
        "device_arch": here.arch,
        "precision": precision_flags(),
    }
    if here.kind == "cuda":
        found |= {k: v for k, v in here.fingerprint.items() if k in ("runtime", "driver")}
    return found


def precision_flags() -> dict[str, JsonValue]:
    """What this process allows torch to compute less precisely than its dtypes say; nothing where torch is not loaded.
    The reference always runs with all of it switched off, and a child starts with torch's own settings."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    matmul = torch.backends.cuda.matmul
    return {
        "matmul_tf32": bool(matmul.allow_tf32),
        "cudnn_tf32": bool(torch.backends.cudnn.allow_tf32),
        "float32_matmul": str(torch.get_float32_matmul_precision()),
        "fp16_reduction": bool(matmul.allow_fp16_reduced_precision_reduction),
        "bf16_reduction": bool(matmul.allow_bf16_reduced_precision_reduction),
    }


def package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> Device:
    flags = cpu_flags()
    fingerprint: dict[str, JsonValue] = {
        "kind": "cpu",
        "cpu": cpu_name(),
        "cores": available_cores(),
        "threads": thread_count(),
        "torch": package_version("torch"),
    }
    return Device(
        kind="cpu",
        name=cpu_name(),
        arch=cpu_arch(flags),
        cores=available_cores(),
        cache_bytes=last_level_cache_bytes(),
        memory_bytes=available_memory_bytes(),
        features=tuple(f for f in _FEATURES if f in flags),
        fingerprint=fingerprint,
        profile=load_profile(fingerprint),
    )


def _cuda(index: int | None) -> Device:
    try:
        import torch
    except ImportError as error:
        raise DeviceUnavailable("no GPU: PyTorch is not installed (pip install torch)") from error
    if torch.version.cuda is None and torch.version.hip is None:
        raise DeviceUnavailable(f"no GPU: PyTorch {torch.__version__} is built for the CPU only; install a CUDA build")
    if not torch.cuda.is_available():
        raise DeviceUnavailable("no GPU: PyTorch has CUDA support but finds no device or no driver (see nvidia-smi)")
    if index is not None and index >= torch.cuda.device_count():
        raise DeviceUnavailable(f"no GPU {index}: PyTorch sees {torch.cuda.device_count()}, counted from 0")
    index = torch.cuda.current_device() if index is None else index
    found = torch.cuda.get_device_properties(index)
    clock_khz = getattr(found, "clock_rate", None)  # absent in older PyTorch
    peaks = peaks_of(found.name)
    fingerprint: dict[str, JsonValue] = {
        "kind": "cuda",
        "gpu": found.name,
        "compute_capability": f"{found.major}.{found.minor}",
        "units": found.multi_processor_count,
        "memory_gib": round(found.total_memory / 2**30),  # GPUs of one kind differ by some pages
        "runtime": torch.version.hip or torch.version.cuda,
        "driver": driver_version(),
        "torch": package_version("torch"),
    }
    return Device(
        kind="cuda",
        name=found.name,
        arch=found.gcnArchName.split(":")[0] if torch.version.hip else f"sm_{found.major}{found.minor}",
        cores=found.multi_processor_count,
        # A cache behind the L2 (AMD's Infinity Cache) is on the datasheet only.
        cache_bytes=max(found.L2_cache_size, peaks.cache_bytes if peaks and torch.version.hip else 0),
        memory_bytes=found.total_memory,
        max_clock_hz=clock_khz * 1e3 if clock_khz else ClockState(index).max_sm_clock_hz,
        index=index,
        fingerprint=fingerprint,
        peaks=peaks,
        profile=load_profile(fingerprint),
    )


def gpus_like(device: Device) -> list[Device]:
    """Return `device`, a GPU, and every other GPU of its kind that this process sees, the given one first."""
    import torch

    others = [_cuda(index) for index in range(torch.cuda.device_count()) if index != device.index]
    return [device, *(other for other in others if other.fingerprint == device.fingerprint)]


def peaks_of(name: str) -> Peaks | None:
    """Return the datasheet limits of the GPU that the driver calls `name`; None if it is not in the list."""
    return next((p for p in known_peaks() if re.search(p.match, name)), None)


def driver_version() -> str | None:
    """Return the version of NVIDIA's kernel driver; None without one."""
    found = re.search(r"\b(\d+\.\d+(?:\.\d+)?)\b", _read("/proc/driver/nvidia/version") or "")
    return found.group(1) if found else nvml_driver_version()  # a container may hide the file


def cpu_name() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def cpu_flags() -> frozenset[str]:
    return frozenset((_cpuinfo("flags") or "").split())


def cpu_arch(flags: frozenset[str]) -> str:
    """Return the highest x86-64 level whose features are all there, "x86-64" below the second; else the machine."""
    if platform.machine() != "x86_64":
        return platform.machine()
    level = "x86-64"
    for name, needed in _LEVELS:
        if not needed <= flags:
            break
        level = name
    return level


def _cpuinfo(key: str) -> str | None:
    found = re.search(rf"^{key}\s*:\s*(.+)$", _read("/proc/cpuinfo") or "", re.MULTILINE)
    return found.group(1).strip() if found else None


def thread_count() -> int:
    """Threads that torch starts by default here: the cores, or OMP_NUM_THREADS where that is fewer."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(available_cores(), int(asked))) if asked.isdigit() else available_cores()


def available_cores() -> int:
    """Cores that this process may use: its affinity mask, cut to the CPU quota of its control group."""
    cores = len(os.sched_getaffinity(0))
    for folder in _cgroup_folders("cpu"):
        words = (_read(folder / "cpu.max") or "").split()
        if not words:
            words = [_read(folder / f"cpu.cfs_{k}_us") or "" for k in ("quota", "period")]
        if words[0].strip().isdigit() and words[1].strip().isdigit() and int(words[1]):
            cores = min(cores, math.ceil(int(words[0]) / int(words[1])))
    return max(1, cores)


def available_memory_bytes() -> int:
    """Memory that this process may use: the machine's, cut to the limit of its control group."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for folder in _cgroup_folders("memory"):
        text = (_read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes") or "").strip()
        if text.isdigit() and 0 < int(text) < _UNLIMITED:
            total = min(total, int(text))
    return total


def _cgroup_folders(controller: Literal["cpu", "memory"]) -> list[Path]:
    """Folders of this process's control group and its parents, version 2 and version 1."""
    folders = []
    for line in (_read("/proc/self/cgroup") or "").splitlines():
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        root = Path("/sys/fs/cgroup") / names if names else Path("/sys/fs/cgroup")
        inside = root / path.lstrip("/")
        folders += [f for f in (inside, *inside.parents) if f == root or root in f.parents]
    return folders


def last_level_cache_bytes() -> int:
    """Bytes of the outermost cache that our cores share, summed over its distinct instances; 0 if not reported."""
    found: dict[tuple[int, str], int] = {}
    for core in os.sched_getaffinity(0):
        for folder in Path(f"/sys/devices/system/cpu/cpu{core}/cache").glob("index*"):
            size = re.fullmatch(r"(\d+)([KMG])", (_read(folder / "size") or "").strip())
            level = (_read(folder / "level") or "").strip()
            if size and level.isdigit() and (_read(folder / "type") or "").strip() != "Instruction":
                shared = (_read(folder / "shared_cpu_list") or "").strip()
                found[int(level), shared] = int(size[1]) << {"K": 10, "M": 20, "G": 30}[size[2]]
    outermost = max((level for level, _ in found), default=0)
    total = sum(size for (level, _), size in found.items() if level == outermost)
    return total or max(0, os.sysconf("SC_LEVEL3_CACHE_SIZE"))


def _read(path: str | Path) -> str | None:
    try:
        return Path(path).read_text()
    except OSError:  # this kernel or this container does not show it
        return None
