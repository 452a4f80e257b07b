"""What `tilewright profile` answers, which is what `--json` prints. All times are seconds of one run."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from ..schema import Noun


class OperatorTime(Noun):
    """All calls of one operator with inputs of one kind, as the outermost operator of torch (`aten::linear`, not the
    `aten::addmm` within). `shapes` and `dtypes` are of its tensors, in order.

    `measured_s` is the time of its work on the device, on a CPU its own time; `bound_s` the least for the same work,
    which sums over calls; `recoverable_s` their difference, below zero where a call beats its bound. Both are None
    where there is no bound, and `detail` says why; else it is how the bound of one call was made. `limiter` and
    `quality` are as in Bound. `fits` names an operator of the library. `host_s` is the time on the host."""

    op: str
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    calls: int
    measured_s: float
    bound_s: float | None = None
    recoverable_s: float | None = None
    limiter: str = "none"
    quality: str = "vacuous"
    fits: str = ""
    host_s: float = 0.0
    kernels: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    detail: str = ""


class ModuleTime(Noun):
    """All calls of one class of modules at one place ("layers.*.norm"), with tensors of one kind: the operators that it
    calls itself, not those of the modules within. With `fused`, the bound is that of one kernel which reads the inputs
    and weights once (`read_bytes`) and writes the outputs once (`written_bytes`); else it is the sum over the
    operators. `backward` rows are what autograd ran for the module. `operators` are calls in all, `unbounded_s` the
    time of those that have no bound, which `measured_s` includes and `recoverable_s` does not."""

    module: str
    path: str
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    calls: int
    operators: int
    measured_s: float
    bound_s: float | None = None
    recoverable_s: float | None = None
    limiter: str = "none"
    fused: bool = False
    read_bytes: int = 0
    written_bytes: int = 0
    backward: bool = False
    unbounded_s: float = 0.0
    fits: str = ""
    problem: str = ""


class KernelTime(Noun):
    """All device work of one name, and the operators that launched it ("" for none)."""

    name: str
    calls: int
    device_s: float
    operators: tuple[str, ...] = ()


class LaunchTimes(Noun):
    """What launching costs on a GPU, as SKIP (arXiv 2504.11750) defines it. `tklqt_s` is the sum over kernels of their
    begin less the begin of their launch, which includes waiting in the queue; `kernels` counts those that it holds, of
    a CUDA graph the first. `latency_s` goes from the begin of the first operator to the end of the last kernel;
    `idle_share` is the part of it in which no kernel ran; `mean_kernel_s` the mean length of a kernel."""

    tklqt_s: float
    kernels: int
    latency_s: float
    idle_share: float
    mean_kernel_s: float


class ProfileResult(Noun):
    """Where the time of one run goes, and how much of it the machine's limits leave to recover.

    `mode` says what ran: `run()` of a script or a callable, several times after a warm-up, or a whole script once.
    `wall_s` is the run that everything here is of, the one of median length among `walls_s`; `plain_s` are runs without
    the profiler, and `outside_s` is the part of `wall_s` in which the host was in no operator: Python, the profiler,
    code that torch.compile generated, waiting. Of `measured_s`, the time of all operators, `bounded_s` is of those that
    have a bound, which is `bound_s` in all. `launch_bound_share` is the part of the operators' time in calls that cost
    more to start than to do. `memory` says whether the bounds take the data to come from the cache ("warm": all of a
    run fits) or from memory ("cold"). `launches` is None on a CPU."""

    target: str
    mode: Literal["run", "callable", "script"]
    device: str
    device_kind: Literal["cpu", "cuda"]
    memory: Literal["cold", "warm"]
    wall_s: float
    walls_s: tuple[float, ...] = ()
    plain_s: tuple[float, ...] = ()
    outside_s: float = 0.0
    measured_s: float
    bounded_s: float
    bound_s: float
    recoverable_s: float
    launch_bound_share: float
    launches: LaunchTimes | None = None
    operators: tuple[OperatorTime, ...] = ()
    modules: tuple[ModuleTime, ...] = ()
    kernels: tuple[KernelTime, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    environment: dict[str, JsonValue] = {}
