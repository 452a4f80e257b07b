"""What this machine is, and how fast it was measured to be.

    device = detect()            # the CPU here, or the GPU, with its stored profile if one fits
    device = detect("cuda:1")    # GPU 1
    device = calibrate(device)   # measure the ceilings now and store them under the user's cache folder
    sample = ClockState(device.index).sample()   # what the GPU's clock does at this moment; None where unknown

A `Device` carries two kinds of limits: `peaks`, from the datasheet, which no kernel can pass; and `profile`, measured
on this very machine, which a good kernel reaches. `bound.py` turns either into seconds.
"""

from __future__ import annotations

from .ceilings import calibrate
from .clock_state import ClockSample, ClockState
from .machine import detect, environment
from .nouns import Curve, Device, DeviceUnavailable, Peaks, Profile, rate_at

__all__ = [
    "ClockSample",
    "ClockState",
    "Curve",
    "Device",
    "DeviceUnavailable",
    "Peaks",
    "Profile",
    "calibrate",
    "detect",
    "environment",
    "rate_at",
]
