"""A trace of torch.profiler (Kineto, in the form of Chrome's trace events) -> the events that matter here.

The fields that are read, as Kineto writes them: `cat` tells what an event is; `ts` and `dur` are microseconds;
operators ("cpu_op") carry "Input Dims", "Input Strides", "Input type" and "Concrete Inputs" (texts), and within
autograd "Sequence number"; calls of the driver ("cuda_runtime", "cuda_driver") and what ran on the device ("kernel",
"gpu_memcpy", "gpu_memset") share a "correlation". "External id" is of no use: on the device it repeats that.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["operator", "annotation", "launch", "device"]
_KINDS: dict[str, Kind] = {
    "cpu_op": "operator",
    "user_annotation": "annotation",
    "cuda_runtime": "launch",
    "cuda_driver": "launch",
    "kernel": "device",
    "gpu_memcpy": "device",
    "gpu_memset": "device",
}

Sizes = tuple[int, ...] | tuple[tuple[int, ...], ...]  # of a tensor, or of each tensor of a list


@dataclass(frozen=True)
class Arguments:
    """The arguments of an operator's call as the profiler saw them, one entry each: shape and strides (nested for a
    list of tensors), the C++ name of the dtype ("float", "Scalar", "TensorList", "" for none), and the text of the
    value of what is no tensor."""

    shapes: tuple[Sizes, ...] = ()
    strides: tuple[Sizes, ...] = ()
    dtypes: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    def value(self, index: int) -> Any:
        """The value of argument `index`; None where there is none, or none that Python can read."""
        text = self.values[index] if index < len(self.values) else ""
        if text in ("inf", "-inf", "nan"):
            return float(text)
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return None


@dataclass(frozen=True)
class Event:
    """One event. `begin_ns` and `end_ns` are of one clock for host and device; `correlation` is what a launch and its
    device work have in common."""

    kind: Kind
    name: str
    begin_ns: int
    end_ns: int
    thread: str = ""
    correlation: int | None = None
    sequence: int | None = None
    device: int | None = None
    stream: int | None = None
    arguments: Arguments = Arguments()


def read_trace(path: Path) -> list[Event]:
    """Return the events of the trace file that torch.profiler wrote."""
    return events_of(json.loads(path.read_text())["traceEvents"])


def events_of(raw: Iterable[Mapping[str, Any]]) -> list[Event]:
    """Return the events among `raw` that have a length and are of a kind that matters, by their begin."""
    found = [
        _event(_KINDS[e["cat"]], e, e.get("args", {})) for e in raw if e.get("ph") == "X" and e.get("cat") in _KINDS
    ]
    return sorted(found, key=lambda e: (e.begin_ns, -e.end_ns))


def _event(kind: Kind, raw: Mapping[str, Any], args: Mapping[str, Any]) -> Event:
    begin_ns = round(raw["ts"] * 1e3)
    return Event(
        kind=kind,
        name=raw["name"],
        begin_ns=begin_ns,
        end_ns=begin_ns + round(raw.get("dur", 0) * 1e3),
        thread=f"{raw.get('pid')}/{raw.get('tid')}",
        correlation=args.get("correlation"),
        sequence=args.get("Sequence number"),
        device=args.get("device"),
        stream=args.get("stream"),
        arguments=_arguments(args) if kind == "operator" else Arguments(),
    )


def _arguments(args: Mapping[str, Any]) -> Arguments:
    return Arguments(
        shapes=_frozen(args.get("Input Dims", ())),
        strides=_frozen(args.get("Input Strides", ())),
        dtypes=tuple(args.get("Input type", ())),
        values=tuple(str(v) for v in args.get("Concrete Inputs", ())),
    )


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list | tuple) else value
