"""Read tensors from a safetensors file: a length, a JSON header, and the bytes. No package is needed for that."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._errors import InputError

if TYPE_CHECKING:
    import torch

MAX_HEADER_BYTES = 16 << 20
_POINTER = b"version https://git-lfs"
_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu", "F4": "float4_e2m1fn_x2",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def read_tensor(path: Path, key: str) -> torch.Tensor:
    """Return the tensor called `key` in the file `path`, read alone; InputError in one line."""
    import torch

    try:
        with path.open("rb") as file:
            header, start = _header(file.read(8), file, path)
            entry = header.get(key)
            if not isinstance(entry, dict):
                names = ", ".join(sorted(k for k in header if k != "__metadata__")[:10])
                raise InputError(f"{path} has no tensor {key!r}; it has {names or 'none'}")
            shape, dtype, begin, end = _place(entry, path, key)
            if start + end > path.stat().st_size:
                raise InputError(f"{path} ends before its tensor {key!r} does; it is truncated")
            file.seek(start + begin)
            data = bytearray(file.read(end - begin))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    kind = getattr(torch, dtype)
    if not data:
        return torch.empty(shape, dtype=kind)
    return torch.frombuffer(data, dtype=torch.uint8).view(kind).reshape(shape)


def _header(length: bytes, file: Any, path: Path) -> tuple[dict[str, Any], int]:
    rest = length + file.read(len(_POINTER) - 8) if length == _POINTER[:8] else b""
    if rest == _POINTER:
        raise InputError(f"{path} is a Git LFS pointer, not the data; fetch it with: git lfs pull")
    size = struct.unpack("<Q", length)[0] if len(length) == 8 else 0
    if not 2 <= size <= MAX_HEADER_BYTES:
        raise InputError(f"{path} is no safetensors file")
    try:
        header = json.loads(file.read(size))
    except (ValueError, RecursionError):
        raise InputError(f"{path} is no safetensors file: its header is not JSON") from None
    if not isinstance(header, dict):
        raise InputError(f"{path} is no safetensors file: its header is no object")
    return header, 8 + size


def _place(entry: dict[str, Any], path: Path, key: str) -> tuple[list[int], str, int, int]:
    """Return shape, dtype and the place of the bytes, checked against each other."""
    shape, offsets, dtype = entry.get("shape"), entry.get("data_offsets"), _DTYPES.get(str(entry.get("dtype")))
    whole = isinstance(shape, list) and isinstance(offsets, list) and len(offsets) == 2
    if not whole or not all(type(n) is int and 0 <= n < 1 << 48 for n in (*shape, *offsets)):  # type: ignore[misc]
        raise InputError(f"{path}: the shape or the place of {key!r} makes no sense")
    if dtype is None:
        raise InputError(f"{path}: {key!r} has the unknown dtype {entry.get('dtype')!r}")
    import torch

    size = getattr(torch, dtype).itemsize
    for n in shape:  # type: ignore[union-attr]
        size *= n
    begin, end = offsets  # type: ignore[misc]
    if end - begin != size:
        raise InputError(f"{path}: {key!r} has {end - begin} bytes, and its shape needs {size}")
    return shape, dtype, begin, end  # type: ignore[return-value]
