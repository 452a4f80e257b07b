"""Facts that a launcher needs about the device of its tensors, cached, with no synchronisation."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch

from ...build.triton import capture_target, interpreting

if interpreting():
    from ...build.interpreter import correct_interpreter

    correct_interpreter()

# Multiprocessors of the first GPU of each kind, used when launches are captured without one (vendor datasheets).
_MULTIPROCESSORS = {"sm80": 108, "sm90": 132, "sm100": 148, "gfx942": 304}


@cache
def _arch(index: int) -> str:
    properties = torch.cuda.get_device_properties(index)
    if torch.version.hip:
        return properties.gcnArchName.split(":")[0]
    return f"sm{properties.major}{properties.minor}"


@cache
def _multiprocessors(index: int) -> int:
    return torch.cuda.get_device_properties(index).multi_processor_count


def arch_of(x: torch.Tensor) -> str:
    """Return the architecture that keys settings: "sm90", "gfx942", or "cpu" for interpreted kernels.

    Under capture, CPU tensors stand for the memory of the target that is captured for.
    """
    if x.device.type == "cuda":
        return _arch(x.device.index)
    target = capture_target()
    return target.replace("_", "") if target else "cpu"


def multiprocessors_of(x: torch.Tensor) -> int:
    """Return the number of multiprocessors of the device of `x` (4 for interpreted kernels)."""
    if x.device.type == "cuda":
        return _multiprocessors(x.device.index)
    return _MULTIPROCESSORS.get(arch_of(x), 4)


def on_device(x: torch.Tensor) -> AbstractContextManager[object]:
    """Make the device of `x` current, so that a launch lands on its current stream also with several GPUs."""
    if x.device.type == "cuda" and x.device.index != torch.cuda.current_device():
        return torch.cuda.device(x.device)
    return nullcontext()


def as_rows(x: torch.Tensor) -> torch.Tensor:
    """Return `x` as a matrix (rows, last axis) whose last axis is contiguous, copying only where it must."""
    length = x.shape[-1]
    rows = x.reshape(x.numel() // length if length else 0, length)
    return rows if rows.stride(1) == 1 or length <= 1 else rows.contiguous()


def next_power_of_2(n: int) -> int:
    """Return the smallest power of two that is at least `n` (1 for n <= 1)."""
    return 1 << max(0, n - 1).bit_length()
