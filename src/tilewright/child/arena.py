"""Shared memory that the parent owns: inputs, outputs and time stamps, each between guard bands.

The memory is an anonymous file (memfd), or one allocation on a GPU, of a fixed size, handed to the child as a
descriptor, so nothing is left behind however either side dies. Every region lies between two guard bands of 0xFF bytes:
a write outside a buffer is seen afterwards, and a read outside one meets NaN.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
from dataclasses import dataclass

import torch

from .device_memory import DeviceMemory

GUARD_BYTES = 4096
_ALIGN = 4096
_GUARD_FILL = 0xFF


@dataclass(frozen=True)
class Region:
    """`bytes` bytes at `offset`, guard bands outside of it."""

    offset: int
    bytes: int


class ArenaFull(Exception):
    """The arena has no room for a region of this size."""


def span_bytes(shape: tuple[int, ...], stride: tuple[int, ...], itemsize: int) -> int:
    """Bytes from the first to the last element of a strided tensor, both included; 0 if it has none."""
    if any(n == 0 for n in shape):
        return 0
    return (sum((n - 1) * s for n, s in zip(shape, stride, strict=True)) + 1) * itemsize


class Arena:
    """A bump allocator over one memfd, or over memory of GPU `gpu`. `view` gives tensors that share its memory."""

    def __init__(self, bytes_: int, gpu: int | None = None):
        if gpu is None:
            self.bytes = -(-bytes_ // _ALIGN) * _ALIGN
            self.fd = os.memfd_create("tilewright-arena", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(self.fd, self.bytes)
            # A shorter file under our feet would be a bus error of this process.
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            self._memory: mmap.mmap | DeviceMemory = mmap.mmap(self.fd, self.bytes)
            self._raw = torch.frombuffer(self._memory, dtype=torch.uint8)
        else:
            self._memory = DeviceMemory.create(gpu, bytes_)
            self.bytes, self.fd = self._memory.bytes, self._memory.fd
            self._raw = self._memory.tensor()
        self._next = 0
        self._taken: list[Region] = []

    @property
    def device(self) -> torch.device:
        return self._raw.device

    def settle(self) -> None:
        """Wait until what was written here can be seen by the child."""
        if self._raw.is_cuda:
            torch.cuda.synchronize(self._raw.device)

    def take(self, bytes_: int) -> Region:
        """Reserve a region. Its guard bands are written; its content is whatever was there."""
        offset = self._next + GUARD_BYTES
        end = offset + bytes_
        following = -(-(end + GUARD_BYTES) // _ALIGN) * _ALIGN
        if following > self.bytes:
            raise ArenaFull(f"{bytes_} bytes do not fit: {self.bytes - self._next} of {self.bytes} are left")
        self._raw[self._next : offset] = _GUARD_FILL
        self._raw[end:following] = _GUARD_FILL
        self._next = following
        region = Region(offset, bytes_)
        self._taken.append(region)
        return region

    def mark(self) -> int:
        """Return a mark; `release(mark)` gives back every region taken after it."""
        return self._next

    def release(self, mark: int) -> None:
        self._taken = [r for r in self._taken if r.offset < mark]
        self._next = mark

    def view(
        self, region: Region, dtype: torch.dtype, shape: tuple[int, ...], stride: tuple[int, ...] | None = None
    ) -> torch.Tensor:
        """A tensor over `region`; ValueError if it would reach outside."""
        itemsize = dtype.itemsize
        if stride is None:
            stride = contiguous_stride(shape)
        span = span_bytes(shape, stride, itemsize)
        if span > region.bytes or any(s < 0 for s in stride):
            raise ValueError(f"a tensor of {span} bytes does not fit a region of {region.bytes}")
        if span == 0:
            return torch.empty_strided(shape, stride, dtype=dtype)
        flat = self._raw[region.offset : region.offset + span].view(dtype)
        return flat.as_strided(shape, stride)

    def guards_hold(self, region: Region) -> bool:
        """Whether both guard bands around `region` are as they were written."""
        before = self._raw[region.offset - GUARD_BYTES : region.offset]
        end = region.offset + region.bytes
        after = self._raw[end : end + GUARD_BYTES]
        return bool(((before == _GUARD_FILL) & (after == _GUARD_FILL)).all())

    def mend_guards(self, region: Region) -> None:
        self._raw[region.offset - GUARD_BYTES : region.offset] = _GUARD_FILL
        end = region.offset + region.bytes
        self._raw[end : end + GUARD_BYTES] = _GUARD_FILL

    def close(self) -> None:
        """Give the memory back; views made before become invalid, so callers copy what they keep. Idempotent."""
        if self.fd < 0:
            return
        del self._raw
        if isinstance(self._memory, DeviceMemory):
            self._memory.close()
        else:
            with contextlib.suppress(BufferError):  # a view is still alive somewhere; the memory goes when it does
                self._memory.close()
            os.close(self.fd)
        self.fd = -1


def contiguous_stride(shape: tuple[int, ...]) -> tuple[int, ...]:
    stride, step = [], 1
    for n in reversed(shape):
        stride.append(step)
        step *= max(n, 1)
    return tuple(reversed(stride))
