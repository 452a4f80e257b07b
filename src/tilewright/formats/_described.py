"""Any problem as plain functions of tensors: what is needed to write it, and a candidate for it, in another format.

Weights of a module become arguments beside the others. What is no tensor and no number (constructor arguments, words)
is written into the text, so it must be the same for every workload.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from ..candidate import Candidate
from ..problem import Inputs, Problem, Workload
from ._errors import InputError

if TYPE_CHECKING:
    import torch

MOST_WORKLOADS = 64


@dataclass(frozen=True)
class Described:
    """A problem whose `inputs` are tensors and numbers by name, one list entry per workload; `axes` names sizes that
    all workloads share (an int) or that vary (a tuple); shapes are written in names of axes."""

    problem: Problem
    workloads: tuple[Workload, ...]
    paths: dict[str, str]
    axes: dict[str, int | tuple[int, ...]]
    inputs: dict[str, tuple[tuple[str, ...] | None, str]]
    outputs: dict[str, tuple[tuple[str, ...], str]]
    scalars: dict[str, tuple[Any, ...]]
    baked: dict[str, Any]
    init: tuple[Any, ...]

    def reference_text(self) -> str:
        """Text that defines the reference as `run(...)` of all inputs."""
        text, name = _reference(self.problem)
        if name == "run":
            text, name = f"{text.rstrip()}\n\n\n_run = run\n", "_run"
        return f"{text.rstrip()}\n\n\n{self.call_text('run', name, self.problem.kind, keep=False)}"

    def candidate_text(self, candidate: Candidate, name: str = "run") -> str:
        """Text of `candidate` with a function `name(...)` of all inputs below it."""
        text, entry = candidate.source.rstrip(), candidate.entry
        if entry == name and candidate.kind == "function":
            text, entry = f"{text}\n\n\n_{name} = {name}", f"_{name}"
        return f"{text}\n\n\n{self.call_text(name, entry, candidate.kind, keep=True)}"

    def call_text(self, name: str, entry: str, kind: str, keep: bool) -> str:
        given = ", ".join(self.inputs)
        args = [self._value(p) for p in self._args()]
        if kind == "function":
            return f"def {name}({given}):\n    return {entry}({', '.join(args)})\n"
        state = ", ".join(f"{p[6:]!r}: {n}" for n, p in self.paths.items() if p.startswith("state."))
        made = f"{entry}({', '.join(repr(v) for v in self.init)})"
        tensor = next(n for n, (shape, _) in self.inputs.items() if shape is not None)
        like = next((n for n, (s, d) in self.inputs.items() if s is not None and "float" in d), tensor)
        kinds = {d for s, d in self.inputs.values() if s is not None and "float" in d}
        moved = f"{made}.to({tensor}.device" + (f", {like}.dtype)" if len(kinds) == 1 else ")")
        lines = ["import torch as _torch  # noqa: E402", ""]
        lines += ["_modules = {}", ""] if keep else []
        lines += ["", f"def {name}({given}):"]
        if keep:
            lines += [f"    key = ({tensor}.device, {like}.dtype)", "    if key not in _modules:"]
            lines += [f"        _modules[key] = {moved}", "    module = _modules[key]"]
        else:
            lines += [f"    module = {moved}"]
        inside = f"({', '.join(args)},)"
        lines += [f"    return _torch.func.functional_call(module, {{{state}}}, {inside})"]
        return "\n".join(lines) + "\n"

    def _args(self) -> list[str]:
        return [p for p in [*self.paths.values(), *self.baked] if p.startswith("args.")]

    def _value(self, path: str) -> str:
        names = {p: n for n, p in self.paths.items()}
        return names[path] if path in names else repr(self.baked[path])


def described(problem: Problem) -> Described:
    """Return `problem` so described; InputError says what another format cannot express."""
    made = [(w, _call(problem, w)) for w in problem.workloads[:MOST_WORKLOADS]]
    alike = [one for one in made if _looks(one[1]) == _looks(made[0][1])]  # others have no place in one definition
    workloads, found = tuple(w for w, _ in alike), [call for _, call in alike]
    for count in (len(found), 1):
        try:
            return _described(problem, workloads[:count], found[:count])
        except _Varies:
            continue
    raise InputError(f"{problem.name} has outputs whose sizes are not those of its inputs; it cannot be written so")


class _Varies(Exception):
    """A size or value changes between workloads in a way that the other formats cannot say."""


def _described(
    problem: Problem, workloads: tuple[Workload, ...], found: Sequence[tuple[Inputs, tuple[torch.Tensor, ...]]]
) -> Described:
    calls = [call for call, _ in found]
    values = [_values(call) for call in calls]
    order = list(values[0])
    if any(list(v) != order for v in values):
        raise _Varies
    paths: dict[str, str] = {}
    baked: dict[str, Any] = {}
    scalars: dict[str, tuple[Any, ...]] = {}
    axes = _Axes(workloads)
    inputs: dict[str, tuple[tuple[str, ...] | None, str]] = {}
    for path in order:
        column = [v[path] for v in values]
        name = _name(path, paths)
        tensors = [hasattr(value, "shape") for value in column]
        if any(tensors) and not all(tensors):
            raise _Varies
        if all(tensors):
            paths[name], inputs[name] = path, (axes.shape([t.shape for t in column]), _kind(column[0]))
        elif isinstance(column[0], bool | int | float):
            kind = {bool: "bool", int: "int64"}.get(type(column[0]), "float32")
            paths[name], inputs[name], scalars[name] = path, (None, kind), tuple(column)
        else:
            baked[path] = _literal(problem, path, column)
    axes.closed = True
    results = [out for _, out in found]
    outputs = {
        name: (axes.shape([r[i].shape for r in results]), _kind(results[0][i]))
        for i, name in enumerate(_output_names(problem, len(results[0]), inputs))
    }
    init = tuple(_literal(problem, "its constructor", [call.init for call in calls]))
    return Described(problem, workloads, paths, axes.found, inputs, outputs, scalars, baked, init)


class _Axes:
    """Sizes that are equal in every workload get one name: a workload's own where it has them, else d0, d1, ..."""

    def __init__(self, workloads: Sequence[Workload]) -> None:
        self.closed = False
        self.found: dict[str, int | tuple[int, ...]] = {}
        self._names: dict[tuple[int, ...], str] = {}
        for name in workloads[0].axes:
            if name.isidentifier() and all(name in w.axes for w in workloads):
                self._names.setdefault(tuple(w.axes[name] for w in workloads), name)
        self._taken = set(self._names.values())

    def shape(self, shapes: Sequence[Sequence[int]]) -> tuple[str, ...]:
        if len({len(s) for s in shapes}) > 1:
            raise _Varies
        return tuple(self._axis(tuple(int(n) for n in sizes)) for sizes in zip(*shapes, strict=True))

    def _axis(self, sizes: tuple[int, ...]) -> str:
        same = len(set(sizes)) == 1
        if self._names.get(sizes) not in self.found and self.closed and not same:
            raise _Varies
        if sizes not in self._names:
            name = next(f"d{i}" for i in range(10**6) if f"d{i}" not in self._taken)
            self._names[sizes] = name
            self._taken.add(name)
        name = self._names[sizes]
        self.found[name] = sizes[0] if same else sizes
        return name


def _values(call: Inputs) -> dict[str, Any]:
    return {f"args.{k}": v for k, v in call.args.items()} | {f"state.{k}": v for k, v in call.state.items()}


def _call(problem: Problem, workload: Workload) -> tuple[Inputs, tuple[torch.Tensor, ...]]:
    """Return a call and its results without their content, where the problem allows it; else with."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            call = problem.make_inputs(workload, 0)
            return call, problem.run(call)
    except Exception:  # noqa: BLE001 - the author's code may refuse fake tensors in any way: draw real inputs
        call = problem.make_inputs(workload, 0)
    return call, problem.run(call)


def _looks(made: tuple[Inputs, tuple[torch.Tensor, ...]]) -> list[Any]:
    """Which arguments and results are tensors, with how many axes and what dtype."""
    call, outputs = made
    every = [*_values(call).items(), *enumerate(outputs)]
    return [(path, v.ndim, v.dtype) if hasattr(v, "ndim") else path for path, v in every]


def _kind(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _name(path: str, taken: dict[str, str]) -> str:
    """A name for the argument at `path`: its own, and for a weight its path with underscores."""
    name = re.sub(r"\W", "_", path.partition(".")[2])
    name = name if name.isidentifier() else f"_{name}"
    while name in taken:
        name += "_"
    return name


def _output_names(problem: Problem, count: int, inputs: dict[str, Any]) -> list[str]:
    names = list(problem.outputs)[:count]
    names += [f"out{i}" for i in range(len(names), count)]
    return [f"{n}_out" if n in inputs or not n.isidentifier() else n for n in names]


def _literal(problem: Problem, path: str, column: Sequence[Any]) -> Any:
    if any(value != column[0] for value in column[1:]):
        raise _Varies
    try:
        same = ast.literal_eval(repr(column[0])) == column[0]
    except (ValueError, SyntaxError):
        same = False
    if not same:
        where = path.partition(".")[2] or path
        raise InputError(f"{problem.name}: {where} is {str(column[0])[:60]}, which another format cannot hold")
    return column[0]


def _reference(problem: Problem) -> tuple[str, str]:
    """Return a text that defines the reference, and its name there."""
    reference: Callable[..., Any] = problem.reference  # type: ignore[assignment]
    module, name = getattr(reference, "__module__", None) or "", getattr(reference, "__name__", "")
    if module.startswith("tilewright.ops."):
        return f"from {module} import {name}\n", name
    if problem.source and re.search(rf"^(def|class) {re.escape(name)}\b", problem.source, re.M):
        return problem.source, name
    try:
        return f"import torch\nimport torch.nn.functional as F\n\n\n{dedent(inspect.getsource(reference))}", name
    except (OSError, TypeError):
        raise InputError(
            f"the text of the reference of {problem.name} cannot be found, so it cannot be written"
        ) from None
