"""Memory of an NVIDIA GPU that two processes share: made by the parent, named by a file descriptor, mapped by a child.

CUDA's virtual memory management: the memory is a physical allocation of its own, in no allocator's pool, so the child
sees these bytes of the parent's and no others. A descriptor passes the walls around a child (PID, IPC and user
namespaces), which the older IPC handles do not. Source: CUDA driver API, chapter "Virtual Memory Management".
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

import torch

_PINNED, _FILE_DESCRIPTOR, _ON_DEVICE, _READ_WRITE = 1, 1, 1, 3


class _Location(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("id", ctypes.c_int))


class _Properties(ctypes.Structure):
    """CUmemAllocationProp: how and where physical memory is made."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("handle_types", ctypes.c_int),
        ("location", _Location),
        ("windows_handle", ctypes.c_void_p),
        ("flags", ctypes.c_ubyte * 8),
    )


class _Access(ctypes.Structure):
    _fields_ = (("location", _Location), ("flags", ctypes.c_int))


class _Bytes:
    """What torch reads to wrap an address as a uint8 tensor, without owning it."""

    def __init__(self, address: int, bytes_: int):
        self.__cuda_array_interface__ = {
            "shape": (bytes_,), "typestr": "|u1", "data": (address, False), "strides": None, "version": 3,
        }  # fmt: skip


class DeviceMemoryError(RuntimeError):
    """The CUDA driver refused; `out_of_memory` says whether for want of memory."""

    def __init__(self, call: str, code: int):
        name = ctypes.c_char_p()
        _driver().cuGetErrorString(code, ctypes.byref(name))
        super().__init__(f"{call}: {(name.value or b'unknown error').decode()} (CUDA driver error {code})")
        self.out_of_memory = code == 2


@cache
def _driver() -> Any:
    return ctypes.CDLL("libcuda.so.1")


def _call(name: str, *args: Any) -> None:
    code = getattr(_driver(), name)(*args)
    if code:
        raise DeviceMemoryError(name, code)


class DeviceMemory:
    """`bytes` bytes on GPU `index`, mapped at `address`; `fd` is the descriptor that another process opens."""

    def __init__(self, index: int, fd: int, handle: int, bytes_: int):
        self.index, self.fd, self.bytes = index, fd, bytes_
        self._handle = ctypes.c_uint64(handle)
        address = ctypes.c_uint64()
        size, none = ctypes.c_size_t(bytes_), ctypes.c_uint64(0)
        _call("cuMemAddressReserve", ctypes.byref(address), size, ctypes.c_size_t(0), none, none)
        _call("cuMemMap", address, size, ctypes.c_size_t(0), self._handle, none)
        access = _Access(_Location(_ON_DEVICE, index), _READ_WRITE)
        _call("cuMemSetAccess", address, size, ctypes.byref(access), ctypes.c_size_t(1))
        self.address = address.value

    @classmethod
    def create(cls, index: int, bytes_: int) -> DeviceMemory:
        """Allocate at least `bytes_` on GPU `index`, the size rounded up to the driver's granularity (2 MiB)."""
        _initialise(index)
        wanted = _Properties(_PINNED, _FILE_DESCRIPTOR, _Location(_ON_DEVICE, index))
        step = ctypes.c_size_t()
        _call("cuMemGetAllocationGranularity", ctypes.byref(step), ctypes.byref(wanted), 0)
        bytes_ = -(-max(bytes_, 1) // step.value) * step.value
        handle, fd = ctypes.c_uint64(), ctypes.c_int()
        _call("cuMemCreate", ctypes.byref(handle), ctypes.c_size_t(bytes_), ctypes.byref(wanted), ctypes.c_uint64(0))
        _call("cuMemExportToShareableHandle", ctypes.byref(fd), handle, _FILE_DESCRIPTOR, ctypes.c_uint64(0))
        return cls(index, fd.value, handle.value, bytes_)

    @classmethod
    def open(cls, index: int, fd: int, bytes_: int) -> DeviceMemory:
        """Map the memory that descriptor `fd` names, of exactly `bytes_`."""
        _initialise(index)
        handle = ctypes.c_uint64()
        _call("cuMemImportFromShareableHandle", ctypes.byref(handle), ctypes.c_void_p(fd), _FILE_DESCRIPTOR)
        return cls(index, fd, handle.value, bytes_)

    def tensor(self) -> torch.Tensor:
        """All of it as a uint8 tensor, which must not be used after `close`."""
        return torch.as_tensor(_Bytes(self.address, self.bytes), device=torch.device("cuda", self.index))

    def close(self) -> None:
        """Unmap the memory and let go of it; it is freed once no process holds it. Idempotent."""
        if not self.address:
            return
        torch.cuda.synchronize(self.index)
        address, size = ctypes.c_uint64(self.address), ctypes.c_size_t(self.bytes)
        self.address = 0
        _call("cuMemUnmap", address, size)
        _call("cuMemAddressFree", address, size)
        _call("cuMemRelease", self._handle)
        os.close(self.fd)


def _initialise(index: int) -> None:
    """Make the context that torch uses on this GPU, so that both work in the same one."""
    torch.cuda.init()
    with torch.cuda.device(index):
        torch.cuda.current_stream().synchronize()
