"""Events -> the calls of one run: outermost operators with the device work that they launched, and their modules.

An operator that another operator calls is part of that call: `aten::linear` holds `aten::addmm`, and no time is counted
twice. Where it calls itself with other dtypes, as autocast does, those count. Ranges of autograd and annotations are no
operators and are looked through. The work on the device belongs to the outermost operator that was under way when it
was launched, whichever operator inside launched it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .events import Arguments, Event

RUN = "tilewright.run"  # the annotation around one call of what is profiled
MODULE = "tilewright.module "  # followed by the number of the call of a module


@dataclass(frozen=True)
class Kernel:
    """One piece of device work, in ns; `launch_ns` is when the host began to launch it, None where that is unknown, and
    `first` says that it is the first work of that launch (a CUDA graph is one launch of many kernels)."""

    name: str
    begin_ns: int
    end_ns: int
    launch_ns: int | None = None
    first: bool = True

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.begin_ns


@dataclass(frozen=True)
class Call:
    """One outermost call of an operator, with the arguments that it computes with. `module` is the number of the
    innermost call of a module around it, -1 for none; `backward` says that it is part of a backward pass, whose module
    is the one of the forward operation."""

    name: str
    begin_ns: int
    end_ns: int
    arguments: Arguments
    module: int = -1
    backward: bool = False
    kernels: tuple[Kernel, ...] = ()

    @property
    def host_ns(self) -> int:
        return self.end_ns - self.begin_ns

    @property
    def device_ns(self) -> int:
        return sum(k.duration_ns for k in self.kernels)


@dataclass(frozen=True)
class Run:
    """One call of what is profiled: its operators in order, the numbers of the calls of modules in it, all device work,
    and the work that no operator launched (`loose`)."""

    begin_ns: int
    end_ns: int
    calls: tuple[Call, ...]
    modules: tuple[int, ...] = ()
    kernels: tuple[Kernel, ...] = ()
    loose: tuple[Kernel, ...] = ()

    @property
    def wall_ns(self) -> int:
        return self.end_ns - self.begin_ns


@dataclass
class _Open:
    """An outermost operator on its way; its `arguments` are those that it computes with."""

    event: Event
    arguments: Arguments
    module: int
    backward: bool
    kernels: list[Kernel] = field(default_factory=list)


def runs_of(events: Sequence[Event]) -> list[Run]:
    """Return the runs that are annotated in `events`, in order; the whole trace where none is."""
    opened = _outermost(events)
    kernels, loose = _device_work(events, opened)
    calls = [
        Call(o.event.name, o.event.begin_ns, o.event.end_ns, o.arguments, o.module, o.backward, tuple(o.kernels))
        for o in opened
    ]
    calls.sort(key=lambda c: c.begin_ns)
    marks = [(e.begin_ns, e.end_ns) for e in events if e.kind == "annotation" and e.name == RUN]
    if not marks and events:
        marks = [(events[0].begin_ns, max(e.end_ns for e in events))]
    modules = [(e.begin_ns, _number(e)) for e in events if e.kind == "annotation" and e.name.startswith(MODULE)]
    return [
        _run(begin, end, calls, tuple(n for at, n in modules if begin <= at <= end), kernels, loose)
        for begin, end in marks
    ]


def _number(event: Event) -> int:
    return int(event.name.removeprefix(MODULE))


def _run(
    begin_ns: int,
    end_ns: int,
    calls: list[Call],
    modules: tuple[int, ...],
    kernels: list[Kernel],
    loose: list[Kernel],
) -> Run:
    def within(things: Iterable[Kernel]) -> tuple[Kernel, ...]:
        at = ((k.begin_ns if k.launch_ns is None else k.launch_ns, k) for k in things)
        return tuple(k for when, k in at if begin_ns <= when <= end_ns)

    inside = tuple(c for c in calls if begin_ns <= c.begin_ns <= end_ns)
    return Run(begin_ns, end_ns, inside, modules, within(kernels), within(loose))


def covered_ns(spans: Iterable[tuple[int, int]]) -> int:
    """The time in at least one of `spans` (begin, end): on several threads or streams they overlap."""
    covered, until = 0, 0
    for begin, end in sorted(spans):
        covered += max(0, end - max(begin, until))
        until = max(until, end)
    return covered


def _outermost(events: Sequence[Event]) -> list[_Open]:
    threads: dict[str, list[Event]] = {}
    for event in events:
        if event.kind in ("operator", "annotation"):
            threads.setdefault(event.thread, []).append(event)
    found: list[_Open] = []
    forward: dict[int, int] = {}
    for thread in threads.values():
        _walk(thread, found, forward)
    for one in found:
        if one.backward:
            one.module = forward.get(one.module, -1)
    return found


def _walk(events: Iterable[Event], found: list[_Open], forward: dict[int, int]) -> None:
    """Follow one thread with a stack of what is open. A backward operator's `module` is, until all threads are known,
    the sequence number that autograd gave the forward operation."""
    stack: list[Event] = []
    modules: list[int] = []
    nodes: list[int] = []
    current: _Open | None = None
    for event in events:
        while stack and stack[-1].end_ns <= event.begin_ns:
            _close(stack.pop(), modules, nodes)
        stack.append(event)
        if event.kind == "annotation":
            if event.name.startswith(MODULE):
                modules.append(_number(event))
        elif not is_operator(event.name):
            if event.name.startswith(_AUTOGRAD):
                nodes.append(-1 if event.sequence is None else event.sequence)
        else:
            if current is None or event.begin_ns >= current.event.end_ns:
                backward = bool(nodes)
                module = nodes[-1] if backward else (modules[-1] if modules else -1)
                current = _Open(event, event.arguments, module, backward)
                found.append(current)
            elif event.name == current.event.name and event.arguments.dtypes != current.arguments.dtypes:
                current.arguments = event.arguments
            if not current.backward and event.sequence is not None and event.sequence >= 0:
                forward[event.sequence] = current.module


_AUTOGRAD = "autograd::engine::evaluate_function"


def _close(event: Event, modules: list[int], nodes: list[int]) -> None:
    if event.kind == "annotation" and event.name.startswith(MODULE):
        modules.pop()
    elif event.kind == "operator" and event.name.startswith(_AUTOGRAD):
        nodes.pop()


# Operators that are looked through: what they compute is told by an argument that no profiler records.
_TOLD_BY_PARTS = ("aten::einsum",)


def is_operator(name: str) -> bool:
    """Whether `name` is of an operator with a schema, "library::name": not a range that autograd or a user opened."""
    library, colons, rest = name.partition("::")
    return (
        bool(colons)
        and name.split(".")[0] not in _TOLD_BY_PARTS
        and library.isidentifier()
        and "::" not in rest
        and " " not in rest
    )


def _device_work(events: Sequence[Event], opened: list[_Open]) -> tuple[list[Kernel], list[Kernel]]:
    """All device work, and that which no operator launched; the rest is handed to its operator."""
    launches: dict[int, Event] = {}
    for event in events:
        if event.kind == "launch" and event.correlation is not None:
            launches.setdefault(event.correlation, event)  # a call of the driver inside one of the runtime comes later
    threads: dict[str, list[_Open]] = {}
    for one in sorted(opened, key=lambda o: o.event.begin_ns):
        threads.setdefault(one.event.thread, []).append(one)
    seen: set[int] = set()
    found: list[Kernel] = []
    loose: list[Kernel] = []
    for event in events:
        if event.kind != "device":
            continue
        launch = launches.get(event.correlation) if event.correlation is not None else None
        first = launch is None or launch.correlation not in seen
        if event.correlation is not None:
            seen.add(event.correlation)
        kernel = Kernel(event.name, event.begin_ns, event.end_ns, launch.begin_ns if launch else None, first)
        found.append(kernel)
        home = _around(launch, threads.get(launch.thread, [])) if launch is not None else None
        (home.kernels if home is not None else loose).append(kernel)
    return found, loose


def _around(launch: Event, opened: Sequence[_Open]) -> _Open | None:
    """The outermost operator among those of the launching thread that was under way then."""
    at = bisect_right(opened, launch.begin_ns, key=lambda o: o.event.begin_ns) - 1
    return opened[at] if at >= 0 and opened[at].event.end_ns >= launch.end_ns else None
