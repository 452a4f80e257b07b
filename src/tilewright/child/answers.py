"""Reading what an untrusted process wrote. What makes no sense is the candidate's verdict, never a fault of ours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from ..candidate import CandidateError, Status

MOST_OUTPUTS = 1024
_MOST_DIMENSIONS, _MOST_ELEMENTS = 64, 1 << 48
# What a parent can look at as plain bytes: no quantised, sparse or sub-byte types.
_READABLE_DTYPES = {
    name: getattr(torch, name)
    for name in (
        *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
        *("float16", "bfloat16", "float32", "float64", "complex32", "complex64", "complex128"),
        *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"),
    )
    if hasattr(torch, name)
}
_OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError")
_NO_MEMORY = ("not enough memory", "can't allocate memory", "CUDA error: out of memory", "CUDA out of memory")


def failure_of(error: Any) -> CandidateError:
    """Turn what went wrong in the child into a status."""
    if not isinstance(error, dict):
        return CandidateError(Status.RUNTIME_ERROR, "the child failed without saying how")
    kind, phase, message, trace = (plain(error.get(k), 8000) for k in ("type", "phase", "message", "traceback"))
    message = message[:500]
    memory = kind in _OUT_OF_MEMORY or any(words in message for words in _NO_MEMORY)
    if memory:
        status = Status.RESOURCE
    elif phase == "load" or "CompileError" in kind or "CompilationError" in kind or kind == "InductorError":
        status = Status.COMPILE_ERROR
    else:
        status = Status.RUNTIME_ERROR
    failure = CandidateError(status, message)
    failure.add_note(trace)
    return failure


def plain(text: Any, longest: int = 1 << 20) -> str:
    """What an untrusted process wrote, as text that is safe to print and to store: no control characters, which a
    terminal would obey, and no halves of surrogate pairs, which no encoding takes."""
    kept = (text if isinstance(text, str) else str(text))[:longest]
    if kept.isascii() and kept.isprintable():
        return kept
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in kept)


@dataclass(frozen=True)
class OutputMeta:
    """What the child says an output is, `kind` being the name of its class. `is_tensor` is a plain tensor: a subclass,
    which may lie about its values, has a device and is none. `aliases` are the paths of inputs whose memory it shares,
    `aliases_outputs` the indices of outputs that share its storage."""

    is_tensor: bool
    shape: tuple[int, ...]
    dtype: str
    stride: tuple[int, ...]
    device: str
    aliases: tuple[str, ...] = ()
    aliases_outputs: tuple[int, ...] = ()
    kind: str = ""

    @property
    def read_as(self) -> torch.dtype | None:
        """The type to read its bytes as; None where there is nothing that can be read."""
        return _READABLE_DTYPES.get(self.dtype) if self.is_tensor else None


def result_of(answer: dict[str, Any], place: int) -> dict[str, Any]:
    """The result of one of several calls; with nothing in it where the answer has none."""
    each = _listed(answer.get("each", []), MOST_OUTPUTS * 8, "its results")
    return each[place] if place < len(each) and isinstance(each[place], dict) else {}


def metas_of(answer: dict[str, Any], key: str = "metas") -> tuple[OutputMeta, ...]:
    return tuple(_meta(data) for data in _listed(answer.get(key, []), MOST_OUTPUTS, "its outputs"))


def written_of(answer: dict[str, Any]) -> list[int]:
    """Bytes of each output that were copied out, -1 for what was not."""
    return [_integer(n, -1) for n in _listed(answer.get("written", []), MOST_OUTPUTS, "what it wrote")]


def count_of(answer: dict[str, Any], key: str) -> int:
    return _integer(answer.get(key), 0)


def seconds_of(value: Any) -> float:
    """A time that can have passed; REWARD_HACK for any other."""
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value < 1e6:
        raise nonsense("a time")
    return float(value)


def kernels_of(answer: dict[str, Any], most: int = 1 << 16) -> list[tuple[str, float, float]]:
    """Name, start and duration in seconds."""
    found = []
    for entry in _listed(answer.get("kernels", []), most, "its kernels"):
        name, start, duration = _listed(entry, 3, "a kernel", exactly=True)
        found.append((plain(name, 200), _integer(start, 0) / 1e9, _integer(duration, 0) / 1e9))
    return found


def nonsense(what: str) -> CandidateError:
    return CandidateError(Status.REWARD_HACK, f"the child described {what} in a way that makes no sense")


def _meta(data: Any) -> OutputMeta:
    if not isinstance(data, dict):
        raise nonsense("an output")
    shape = tuple(_integer(n, 0) for n in _listed(data.get("shape"), _MOST_DIMENSIONS, "a shape"))
    if math.prod(max(n, 1) for n in shape) > _MOST_ELEMENTS:
        raise nonsense("a shape")
    return OutputMeta(
        data.get("is_tensor") is True,
        shape,
        plain(data.get("dtype"), 40),
        tuple(_integer(n, 0) for n in _listed(data.get("stride"), _MOST_DIMENSIONS, "a stride")),
        plain(data.get("device"), 20),
        tuple(plain(p, 100) for p in _listed(data.get("aliases"), MOST_OUTPUTS, "an alias")),
        tuple(_integer(i, 0) for i in _listed(data.get("aliases_outputs"), MOST_OUTPUTS, "an alias")),
        plain(data.get("kind", ""), 60),
    )


def _listed(value: Any, most: int, what: str, exactly: bool = False) -> list[Any]:
    if not isinstance(value, list) or len(value) > most or (exactly and len(value) != most):
        raise nonsense(what)
    return value


def _integer(value: Any, least: int) -> int:
    if type(value) is not int or not least <= value < 1 << 62:
        raise nonsense("a number")
    return value
