"""A recording and a device -> ProfileResult: operators, modules and kernels by the time that can be recovered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Literal, TypeVar

from ..bound import Bound
from ..device import Device, environment
from .bounds import Bounded, Memory, bounded_calls, fused_bound
from .call_cost import dtype_name
from .calls import Run, covered_ns
from .fits import module_for, operator_for
from .modules import Site
from .nouns import KernelTime, LaunchTimes, ModuleTime, OperatorTime, ProfileResult
from .recorder import Recording

T = TypeVar("T")
Mode = Literal["run", "callable", "script"]
Shapes = tuple[tuple[int, ...], ...]


def result_of(recording: Recording, device: Device, target: str, mode: Mode) -> ProfileResult:
    """Return what `recording` says of where time goes on `device`, which is a GPU if the run used one."""
    run = recording.run
    calls, memory = bounded_calls(run.calls, recording.costs, device)
    known = [c for c in calls if c.bound_s is not None]
    return ProfileResult(
        target=target,
        mode=mode,
        device=device.name,
        device_kind=device.kind,
        memory=memory,
        wall_s=run.wall_ns / 1e9,
        walls_s=recording.walls_s,
        plain_s=recording.plain_s,
        outside_s=recording.outside_s,
        measured_s=sum(c.measured_s for c in calls),
        bounded_s=sum(c.measured_s for c in known),
        bound_s=sum(c.bound_s or 0.0 for c in known),
        recoverable_s=sum(c.recoverable_s or 0.0 for c in known),
        launch_bound_share=launch_bound_share(calls, device),
        launches=launch_times(run) if device.kind == "cuda" else None,
        operators=_ranked(_operators(calls, recording)),
        modules=_ranked(_modules(calls, recording, device, memory)),
        kernels=_kernels(run),
        notes=tuple(_notes(recording, calls, device)),
        environment=environment(device),
    )


def launch_bound_share(calls: Sequence[Bounded], device: Device) -> float:
    """The share of the operators' time in calls that cost more to start than to do: on a GPU, where the host takes
    longer than the device, by the longer of both; on a CPU, where the bound is that of an empty call."""
    if device.kind == "cuda":
        spans = [(max(c.call.host_ns, c.call.device_ns), c.call.host_ns > c.call.device_ns) for c in calls]
    else:
        spans = [(c.call.host_ns, c.bound is not None and c.bound.limiter == "call") for c in calls]
    total = sum(span for span, _ in spans)
    return sum(span for span, starts in spans if starts) / total if total else 0.0


def launch_times(run: Run) -> LaunchTimes | None:
    """The delays of launches and the idle share of `run`; None where no device work was seen. Of a CUDA graph, whose
    kernels share one launch, the first kernel counts."""
    if not run.kernels:
        return None
    delays = [k.begin_ns - k.launch_ns for k in run.kernels if k.launch_ns is not None and k.first]
    begin_ns = min((c.begin_ns for c in run.calls), default=min(k.begin_ns for k in run.kernels))
    latency_ns = max(k.end_ns for k in run.kernels) - begin_ns
    return LaunchTimes(
        tklqt_s=sum(delays) / 1e9,
        kernels=len(delays),
        latency_s=latency_ns / 1e9,
        idle_share=1 - covered_ns((k.begin_ns, k.end_ns) for k in run.kernels) / latency_ns,
        mean_kernel_s=sum(k.duration_ns for k in run.kernels) / len(run.kernels) / 1e9,
    )


def _operators(calls: Sequence[Bounded], recording: Recording) -> Iterable[OperatorTime]:
    def key(one: Bounded) -> Hashable:
        return one.call.name, one.bound is None, *tensors_of(one)

    for group in _grouped(calls, key):
        call, limit = group[0].call, group[0].bound
        shapes, dtypes = tensors_of(group[0])
        sites = (_site(c.call.module, recording) for c in group)
        yield OperatorTime(
            op=call.name.partition(".")[0],
            shapes=shapes,
            dtypes=dtypes,
            calls=len(group),
            **_times(group),
            limiter=_limiter(group),
            quality=limit.quality if limit else "vacuous",
            fits=operator_for(call.name, shapes, dtypes),
            host_s=sum(c.call.host_ns for c in group) / 1e9,
            kernels=tuple(dict.fromkeys(k.name for c in group for k in c.call.kernels)),
            modules=tuple(dict.fromkeys(place(s) for s in sites if s is not None)),
            detail=limit.derivation if limit else group[0].counted.why,
        )


def tensors_of(one: Bounded) -> tuple[Shapes, tuple[str, ...]]:
    """The shapes and dtypes of the tensors of a call, those in lists included."""
    shapes: list[tuple[int, ...]] = []
    dtypes: list[str] = []
    seen = one.call.arguments
    for shape, dtype in zip(seen.shapes, seen.dtypes, strict=False):
        if dtype == "TensorList":
            inside = [sizes for sizes in shape if isinstance(sizes, tuple)]
            shapes += inside
            dtypes += [one.counted.list_dtype] * len(inside)
        elif name := dtype_name(dtype):
            shapes.append(tuple(n for n in shape if isinstance(n, int)))
            dtypes.append(name)
    return tuple(shapes), tuple(dtypes)


def _modules(calls: Sequence[Bounded], recording: Recording, device: Device, memory: Memory) -> Iterable[ModuleTime]:
    """One row for the own operators of each module at each kind of place, forward and backward apart."""
    times = Counter(site.kin for n in recording.run.modules if (site := _site(n, recording)) is not None)

    def key(one: Bounded) -> Hashable:
        site = _site(one.call.module, recording)
        return site and (site.kin, one.call.backward)

    for group in _grouped(calls, key):
        site = _site(group[0].call.module, recording)
        if site is not None:
            count, backward = times[site.kin], group[0].call.backward
            row = _module(site, group, count, backward)
            whole = fused_bound(site, group, count, device, memory) if site.leaf and count and not backward else None
            yield row if whole is None or whole.achievable_s is None else _fused(row, whole, whole.achievable_s * count)


def _module(site: Site, group: Sequence[Bounded], count: int, backward: bool) -> ModuleTime:
    return ModuleTime(
        module=site.kind,
        path=site.pattern,
        shapes=site.shapes,
        dtypes=site.dtypes,
        calls=count,
        operators=len(group),
        **_times(group),
        limiter=_limiter(group),
        read_bytes=site.read_bytes,
        written_bytes=site.written_bytes,
        backward=backward,
        unbounded_s=sum(c.measured_s for c in group if c.bound is None),
        fits="" if backward else module_for(site.kind),
    )


def _fused(row: ModuleTime, whole: Bound, bound_s: float) -> ModuleTime:
    """`row` with the bound of one kernel, `bound_s` over all calls."""
    return row.with_(bound_s=bound_s, recoverable_s=row.measured_s - bound_s, limiter=whole.limiter, fused=True)


def _site(number: int, recording: Recording) -> Site | None:
    """The site of the call of a module with this number, if it was seen to its end."""
    if not 0 <= number < len(recording.of_call) or recording.of_call[number] < 0:
        return None
    return recording.sites[recording.of_call[number]]


def place(site: Site) -> str:
    """A module by class and place: "RMSNorm in layers.*.norm"; the class alone for the outermost one."""
    return f"{site.kind} in {site.pattern}" if site.pattern else site.kind


def _kernels(run: Run) -> tuple[KernelTime, ...]:
    launched: dict[str, dict[str, None]] = {}
    for call in run.calls:
        for kernel in call.kernels:
            launched.setdefault(kernel.name, {})[call.name.partition(".")[0]] = None
    rows = (
        KernelTime(
            name=group[0].name,
            calls=len(group),
            device_s=sum(k.duration_ns for k in group) / 1e9,
            operators=tuple(launched.get(group[0].name, {"": None})),
        )
        for group in _grouped(run.kernels, lambda k: k.name)
    )
    return tuple(sorted(rows, key=lambda r: -r.device_s))


def _times(group: Sequence[Bounded]) -> dict[str, Any]:
    known = [c for c in group if c.bound_s is not None]
    return {
        "measured_s": sum(c.measured_s for c in group),
        "bound_s": sum(c.bound_s or 0.0 for c in known) if known else None,
        "recoverable_s": sum(c.recoverable_s or 0.0 for c in known) if known else None,
    }


def _notes(recording: Recording, calls: Sequence[Bounded], device: Device) -> Iterable[str]:
    threads = device.fingerprint.get("threads")
    if device.kind == "cpu" and threads and recording.threads != threads:
        yield f"it ran with {recording.threads} threads, and the ceilings were measured with {threads}"
    if not recording.plain_s:
        yield "one cold run: imports, first calls and set-up are in it; define run() to see the steady state"
    idle = sum(1 for c in recording.run.calls if not c.kernels)
    if device.kind == "cuda" and idle:
        yield f"left out, as they launched nothing on the GPU (views, work on the CPU): {idle} of all operator calls"
    loose_s = sum(k.duration_ns for k in recording.run.loose) / 1e9
    if loose_s:
        yield f"{loose_s * 1e3:.3g} ms of device work was launched by no operator of torch: it is among the kernels"
    if device.profile is not None and device.profile.quick:
        yield "the ceilings are of a quick measurement: tilewright device --calibrate makes the bounds firmer"


def _grouped(things: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    groups: dict[Hashable, list[T]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return list(groups.values())


def _ranked(rows: Iterable[Any]) -> tuple[Any, ...]:
    """The most recoverable time first; what has no bound after it, the longest first."""
    return tuple(sorted(rows, key=lambda r: (r.recoverable_s is None, -(r.recoverable_s or 0.0), -r.measured_s)))


def _limiter(group: Sequence[Bounded]) -> str:
    """What limits most of the group's bound."""
    shares: dict[str, float] = {}
    for one in group:
        if one.bound is not None:
            shares[one.bound.limiter] = shares.get(one.bound.limiter, 0.0) + (one.bound_s or 0.0)
    return max(shares, key=shares.__getitem__, default="none")
