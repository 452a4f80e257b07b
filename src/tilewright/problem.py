"""What must be computed: Problem, Workload, and Inputs, the arguments of one call; Cost is of `cost`.

A Problem has two halves: data, which goes to JSON and makes the digest (its source text is part of it), and the
callables that a format reader binds from that source. The callables are only ever run in the trusted process.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, JsonValue

from .cost import Cost
from .outputs import outputs_by_name
from .schema import Noun

if TYPE_CHECKING:
    import torch


class Workload(Noun):
    """One size of a problem, named after where it is met.

    `axes` gives the sizes of the named axes (elements); `params` holds scalars that are no axis (eps, activation);
    `weight` is the relative number of calls, used when results are aggregated; `source` says which model it is from.
    """

    name: str
    axes: dict[str, int] = {}
    dtype: str = "float32"
    params: dict[str, JsonValue] = {}
    weight: float = 1.0
    source: str = ""


@dataclass(frozen=True)
class Inputs:
    """The arguments of one call: `args` in the order of the reference's parameters, and, where the problem is a
    module, `init` (constructor arguments) and `state` (its parameters and buffers by name)."""

    args: dict[str, Any]
    state: dict[str, torch.Tensor] = field(default_factory=dict)
    init: tuple[Any, ...] = ()

    def tensors(self) -> dict[str, torch.Tensor]:
        """Every tensor, by a path that is unique in this call: "args.x", "state.weight", "init.0"."""
        import torch

        paths = {f"args.{k}": v for k, v in self.args.items()}
        paths |= {f"state.{k}": v for k, v in self.state.items()}
        paths |= {f"init.{i}": v for i, v in enumerate(self.init)}
        return {k: v for k, v in paths.items() if isinstance(v, torch.Tensor)}

    def map(self, fn: Callable[[str, torch.Tensor], torch.Tensor]) -> Inputs:
        """Return the same call with every tensor replaced by `fn(path, tensor)`."""
        import torch

        def on(path: str, value: Any) -> Any:
            return fn(path, value) if isinstance(value, torch.Tensor) else value

        return replace(
            self,
            args={k: on(f"args.{k}", v) for k, v in self.args.items()},
            state={k: on(f"state.{k}", v) for k, v in self.state.items()},
            init=tuple(on(f"init.{i}", v) for i, v in enumerate(self.init)),
        )

    def cast(self, dtype: torch.dtype) -> Inputs:
        """Return the call with floating tensors cast to `dtype`, and complex ones to numbers made of two such where
        there are (float32, float64); integer and boolean tensors stay what they are."""

        def cast(_: str, t: torch.Tensor) -> torch.Tensor:
            if t.is_complex():
                return t.to(dtype.to_complex()) if dtype.itemsize >= 4 else t
            return t.to(dtype) if t.is_floating_point() else t

        return self.map(cast)


class Parameter(Noun):
    """One tunable setting: its name, the values it may take, and the default."""

    name: str
    values: tuple[JsonValue, ...]
    default: JsonValue


class Space(Noun):
    """The settings that a candidate may be tuned over. `constraints` are Python expressions over the names, each of
    which must hold, for example "BLOCK % VECTOR == 0"."""

    parameters: tuple[Parameter, ...] = ()
    constraints: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        total = 1
        for parameter in self.parameters:
            total *= len(parameter.values)
        return total

    def defaults(self) -> dict[str, JsonValue]:
        return {p.name: p.default for p in self.parameters}

    def allows(self, values: Mapping[str, Any]) -> bool:
        """Whether `values` names every parameter with one of its values and meets every constraint."""
        if any(p.name not in values or values[p.name] not in p.values for p in self.parameters):
            return False
        names = {p.name: values[p.name] for p in self.parameters}
        return all(eval(c, {"__builtins__": {}, "min": min, "max": max}, names) for c in self.constraints)


class Problem(Noun):
    """What must be computed, and the only registration of an operator.

    Data: `name`; `kind` ("function": `reference(*args)`; "module": a class built with `init`, given `state`, called
    with `args`); `format` and `source`, from which the callables can be bound again; `workloads`; `outputs`, names in
    order; `grads`, the names of arguments whose gradients are checked; `invariants`, names of properties the outputs
    keep ("rows_sum_to_one"); `rounds_to_dtype`, whether intermediates are rounded to the working dtype by definition;
    `space`, the settings of the tuned implementation.

    Callables (never in JSON): `reference`; `inputs(workload, generator) -> Inputs`; `cost(workload) -> Cost` or None,
    when it is counted from the reference; `impls`, from the simplest to the fastest, each with the reference's
    signature; `edges() -> workloads` that are small and awkward (odd, empty, size 1); `accepts(inputs, outputs) -> why
    not, or ""`, where results other than the reference's are right too.
    """

    name: str
    kind: Literal["function", "module"] = "function"
    format: str = "native"
    source: str = ""
    workloads: tuple[Workload, ...] = ()
    outputs: tuple[str, ...] = ("out",)
    grads: tuple[str, ...] = ()
    invariants: tuple[str, ...] = ()
    rounds_to_dtype: bool = False
    space: Space = Space()

    reference: Callable[..., Any] | None = Field(default=None, exclude=True)
    inputs: Callable[[Workload, Any], Inputs] | None = Field(default=None, exclude=True)
    cost: Callable[[Workload], Cost] | None = Field(default=None, exclude=True)
    accepts: Callable[[Inputs, tuple[Any, ...]], str] | None = Field(default=None, exclude=True)
    impls: dict[str, Callable[..., Any]] = Field(default_factory=dict, exclude=True)
    edges: Callable[[], tuple[Workload, ...]] | None = Field(default=None, exclude=True)

    def workload(self, name: str) -> Workload:
        """Return the workload called `name`; KeyError names those that exist."""
        for workload in self.workloads:
            if workload.name == name:
                return workload
        raise KeyError(f"{self.name} has no workload {name!r}; it has {', '.join(w.name for w in self.workloads)}")

    def make_inputs(self, workload: Workload, seed: int) -> Inputs:
        """Draw the inputs of `workload` from `seed`, on the CPU, in the workload's dtype."""
        import torch

        assert self.inputs is not None, f"problem {self.name} is data only: bind it with its format reader"
        return self.inputs(workload, torch.Generator().manual_seed(seed))

    def run(self, call: Inputs) -> tuple[torch.Tensor, ...]:
        """Run the reference on `call` as it stands, where its tensors are, and return its outputs as a tuple."""
        import torch

        assert self.reference is not None, f"problem {self.name} is data only: bind it with its format reader"
        if self.kind == "module":
            module = self.reference(*call.init)
            for place in {t.device for t in call.tensors().values()}:
                module = module.to(place)
            dtypes = {t.dtype for t in call.tensors().values() if t.is_floating_point()}
            if len(dtypes) == 1:
                module = module.to(dtypes.pop())
            if call.state:
                tied = not set(module.state_dict()) <= set(call.state)  # else each name has its value, tied ones too
                args = tuple(call.args.values())
                result = torch.func.functional_call(module, dict(call.state), args, tie_weights=tied)
            else:
                result = module(*call.args.values())
        else:
            result = self.reference(*call.args.values())
        return as_tuple(result)

    def signature(self) -> tuple[str, ...]:
        """The names of the reference's arguments, in order."""
        target = self.reference.forward if self.kind == "module" else self.reference  # type: ignore[union-attr]
        return tuple(n for n in inspect.signature(target).parameters if n != "self")  # type: ignore[arg-type]


def as_tuple(result: Any) -> tuple[Any, ...]:
    """Return the outputs of a call: what it returned, or, of tuples, lists and dicts, however nested, the tensors."""
    return tuple(outputs_by_name(result).values())
