"""Triton without a GPU: record launches, compile them for any target, and run kernels in Triton's interpreter.

`capture` runs a Python launcher with CPU tensors standing for device memory and records every kernel it launches,
specialised exactly as Triton would specialise it (alignment, divisibility, constants), without compiling or running
anything. `cross_compile` turns such a launch into a real binary for sm_80, sm_90, sm_100 or gfx942 and reads its
facts. Triton decides at decoration time whether a kernel is interpreted, so TRITON_INTERPRET=1 must be in the
environment before a module with kernels is imported: start a child with `INTERPRETER_ENVIRONMENT`.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
import triton
from torch.overrides import TorchFunctionMode
from triton.backends.compiler import GPUTarget
from triton.compiler.compiler import ASTSource, make_backend
from triton.runtime.autotuner import Autotuner
from triton.runtime.jit import JITFunction

from ..candidate import CandidateError, Status
from .facts import CompileFacts, amdgcn_facts, cubin_facts, first_line

INTERPRETER_ENVIRONMENT = {"TRITON_INTERPRET": "1"}
TARGETS = ("sm_80", "sm_90", "sm_100", "gfx942")

_capture_target: ContextVar[str | None] = ContextVar("tilewright_capture_target", default=None)
_patch_lock = threading.RLock()


def interpreting() -> bool:
    """Whether kernels decorated in this process run in Triton's interpreter."""
    return os.environ.get("TRITON_INTERPRET", "0").lower() in ("1", "true", "on", "yes")


def capture_target() -> str | None:
    """The target that launches are being captured for in this context ("sm_90"), or None outside `capture`."""
    return _capture_target.get()


def gpu_target(target: str) -> GPUTarget:
    """Return Triton's target for a name such as "sm_90" or "gfx942"; ValueError for any other form."""
    if found := re.fullmatch(r"sm_(\d+)a?", target):
        return GPUTarget("cuda", int(found.group(1)), 32)
    if re.fullmatch(r"gfx9\w+", target):
        return GPUTarget("hip", target, 64)
    if re.fullmatch(r"gfx1\w+", target):
        return GPUTarget("hip", target, 32)
    raise ValueError(f"unknown target {target!r}: name one like {', '.join(TARGETS)}")


@dataclass(frozen=True)
class Specialisation:
    """A launch as one back end sees it: argument types, constants by argument path, and pointer or integer facts."""

    signature: dict[str, str]
    constexprs: dict[tuple[int, ...], Any]
    attributes: dict[tuple[int, ...], Any]


@dataclass(frozen=True)
class Launch:
    """One recorded kernel launch. `variants` maps a back end ("cuda", "hip") to its specialisation, or to the message
    with which the back end refused the arguments. No tensor is kept alive."""

    kernel: JITFunction
    grid: tuple[int, ...]
    options: dict[str, Any]
    variants: dict[str, Specialisation | str] = field(repr=False)

    @property
    def name(self) -> str:
        return self.kernel.__name__

    @property
    def num_warps(self) -> int:
        return int(self.options.get("num_warps", 4))

    @property
    def key(self) -> str:
        """Equal for launches that compile to the same binary."""
        return f"{self.name} {sorted(self.options.items(), key=str)} {self.variants}"


def capture(fn: Callable[[], Any], *, target: str = "sm_90") -> list[Launch]:
    """Run `fn` and return every Triton launch it makes, in order, compiling and running none of them.

    Tensors on the CPU stand for device memory, and calls that name a CUDA device are given the CPU. An autotuned
    kernel is recorded with its first configuration. `target` is the machine that `capture_target` answers with.
    Exceptions of `fn` pass through. Not for interpreted processes (RuntimeError).
    """
    if interpreting():
        raise RuntimeError("capture needs compiled kernels: start the process without TRITON_INTERPRET")
    launches: list[Launch] = []
    token = _capture_target.set(target)
    try:
        with _recording(launches), _DeviceStandIn():
            fn()
    finally:
        _capture_target.reset(token)
    return launches


@contextmanager
def _recording(launches: list[Launch]) -> Iterator[None]:
    def record(kernel: JITFunction, *args: Any, grid: Any, warmup: bool = False, **kwargs: Any) -> None:
        launches.append(_launch_of(kernel, grid, args, kwargs))

    def first_config(tuner: Autotuner, *args: Any, **kwargs: Any) -> Any:
        config = tuner.configs[0]
        if config.pre_hook is not None:
            config.pre_hook({**dict(zip(tuner.arg_names, args, strict=False)), **kwargs, **config.all_kwargs()})
        return tuner.fn.run(*args, **kwargs, **config.all_kwargs())

    with _patch_lock:
        kept = JITFunction.run, Autotuner.run
        JITFunction.run, Autotuner.run = record, first_config
        try:
            yield
        finally:
            JITFunction.run, Autotuner.run = kept


def _launch_of(kernel: JITFunction, grid: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Launch:
    names = set(kernel.arg_names)
    options = {k: v for k, v in kwargs.items() if k not in names}
    named = {k: v for k, v in kwargs.items() if k in names}
    bound: dict[str, Any] = kernel.signature.bind_partial(*args, **named).arguments
    sizes = grid(bound) if callable(grid) else grid
    sizes = tuple(int(n) for n in (sizes if isinstance(sizes, tuple | list) else (sizes,)))
    variants: dict[str, Specialisation | str] = {}
    for target in (GPUTarget("cuda", 90, 32), GPUTarget("hip", "gfx942", 64)):
        try:
            variants[target.backend] = _specialise(kernel, target, args, kwargs)
        except Exception as error:  # noqa: BLE001 - whatever a back end refuses is a fact, told on compilation
            variants[target.backend] = first_line(f"{type(error).__name__}: {error}")
    return Launch(kernel, sizes, options, variants)


def _specialise(kernel: JITFunction, target: GPUTarget, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from triton.runtime.jit import create_function_from_signature

    backend = make_backend(target)
    bind = create_function_from_signature(kernel.signature, kernel.params, backend)
    bound, specialisation, options = bind(*args, **kwargs)
    _, signature, constexprs, attributes = kernel._pack_args(backend, dict(kwargs), bound, specialisation, options)
    return Specialisation(signature, constexprs, attributes)


_IS_CUDA = torch.Tensor.is_cuda.__get__  # type: ignore[attr-defined]


class _DeviceStandIn(TorchFunctionMode):
    """Lets a launcher written for a GPU run on the CPU: `device="cuda"` becomes "cpu", and `.is_cuda` says yes."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func == _IS_CUDA:
            return True
        if func is torch.Tensor.cuda:
            return args[0]
        kwargs = {k: _on_cpu(v) for k, v in (kwargs or {}).items()}
        if func is torch.Tensor.to:
            args = tuple(_on_cpu(a) for a in args)
        return func(*args, **kwargs)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, torch.device):
        return torch.device("cpu") if value.type == "cuda" else value
    return "cpu" if isinstance(value, str) and value.startswith("cuda") else value


def cross_compile(launch: Launch, target: str) -> CompileFacts:
    """Compile `launch` for `target` and return its facts.

    CandidateError(COMPILE_ERROR) carries one line of what Triton or the assembler said.
    """
    machine = gpu_target(target)
    variant = launch.variants.get(machine.backend, "was not recorded")
    if isinstance(variant, str):
        raise CandidateError(Status.COMPILE_ERROR, f"{launch.name} for {target}: {variant}")
    try:
        source = _source_class(launch.kernel)(launch.kernel, variant.signature, variant.constexprs, variant.attributes)
        binary = triton.compile(source, target=machine, options=dict(launch.options))
    except Exception as error:  # Triton raises many kinds; all of them mean that this kernel does not compile
        raise CandidateError(Status.COMPILE_ERROR, f"{launch.name} for {target}: {_reason(error)}") from error
    threads = binary.metadata.num_warps * machine.warp_size
    if machine.backend == "hip":
        return amdgcn_facts(launch.name, target, binary.asm["amdgcn"], threads, binary.metadata.shared)
    return cubin_facts(launch.name, target, binary.asm["cubin"], threads, binary.metadata.shared)


def _reason(error: Exception) -> str:
    """One line: Triton's own errors begin with the place, go on with the source, and end with the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if lines and re.match(r"at \d+:\d+:", lines[0]):
        said = lines[-1] if set(lines[-1]) != {"^"} else first_line(repr(error.__cause__))
        return f"{type(error).__name__} {lines[0]} {said}"[:300]
    return first_line(f"{type(error).__name__}: {error}")


def _source_class(kernel: JITFunction) -> type[ASTSource]:
    if kernel.is_gluon():
        from triton.experimental.gluon._runtime import GluonASTSource

        return GluonASTSource
    return ASTSource


def distinct(launches: list[Launch]) -> list[Launch]:
    """Return the launches that compile to different binaries, in order."""
    return list({launch.key: launch for launch in launches}.values())


def facts_of(fn: Callable[[], Any], targets: tuple[str, ...]) -> Mapping[str, CompileFacts | CandidateError]:
    """Capture `fn` for each target and compile each distinct launch: {"kernel@target": facts or the error}."""
    found: dict[str, CompileFacts | CandidateError] = {}
    for target in targets:
        for launch in distinct(capture(fn, target=target)):
            name, number = f"{launch.name}@{target}", 1
            while name in found:
                number += 1
                name = f"{launch.name}#{number}@{target}"
            try:
                found[name] = cross_compile(launch, target)
            except CandidateError as error:
                found[name] = error
    return found
