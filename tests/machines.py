"""Machines with round ceilings, to calculate bounds by hand."""

from __future__ import annotations

from tilewright.device import Device, Profile
from tilewright.device.machine import peaks_of

GB = 10**9


def profile(**changes: object) -> Profile:
    flat = {"copy": 80.0, "read": 100.0, "write": 50.0}
    curves = {k: ((1 << 20, 2 * rate * GB), (1 << 30, rate * GB)) for k, rate in flat.items()}
    fields = {"matrix": {"float32": 200.0 * GB}, "call_s": 1e-6, "special_per_s": 2.0 * GB, "fingerprint": {}}
    return Profile(**{**curves, **fields, "created": "", **changes})


def cpu(**changes: object) -> Device:
    return Device(
        kind="cpu", name="c", arch="x", cores=2, cache_bytes=1 << 25, memory_bytes=1 << 34, profile=profile(**changes)
    )


H200 = Device(
    kind="cuda",
    name="NVIDIA H200",
    arch="sm_90",
    cores=132,
    cache_bytes=60 << 20,
    memory_bytes=140 * GB,
    peaks=peaks_of("NVIDIA H200"),
)

RATES = {"copy": 4200.0, "read": 4450.0, "write": 4650.0}


def gpu(**changes: object) -> Device:
    """An H200 as it was measured: cold rates below those of its cache, and a floor of one launch in a graph."""
    cold = {f"cold_{k}": ((1 << 20, 1000.0 * GB), (1 << 30, r * GB)) for k, r in RATES.items()}
    warm = {k: ((1 << 20, 5000.0 * GB), (1 << 30, r * GB)) for k, r in RATES.items()}
    matrix = {"bfloat16": 800e12, "tf32": 400e12, "float32": 50e12}
    fields = {"matrix": matrix, "call_s": 12e-6, "graph_launch_s": 1.3e-6, "special_per_s": 4e12}
    return H200.with_(profile=profile(**{**cold, **warm, **fields, **changes}))
