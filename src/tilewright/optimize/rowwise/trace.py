"""A reference -> an ATen graph over fake tensors: nothing is computed and nothing is allocated."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch._decomp import core_aten_decompositions, get_decompositions
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, functionalize
from torch.fx.experimental.proxy_tensor import make_fx

from ...problem import Inputs, Problem, Workload, as_tuple
from .index import NotRowwise

SUPPORTED = ("float32", "bfloat16", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")


@dataclass(frozen=True)
class Traced:
    """The graph of one call: a placeholder per tensor path, in order; the other arguments were baked in."""

    graph: torch.fx.Graph
    module: torch.fx.GraphModule
    paths: tuple[str, ...]
    single: bool
    container: str


@cache
def _decompositions() -> dict[Any, Any]:
    aten = torch.ops.aten
    more = get_decompositions([aten.native_batch_norm, aten._native_batch_norm_legit, aten.slice_scatter])
    return {**core_aten_decompositions(), **more}


def trace(problem: Problem, workload: Workload) -> tuple[Traced, Inputs]:
    """Trace `problem` on inputs of `workload`; NotRowwise when the reference cannot be traced."""
    inputs = _with_buffers(problem, _inputs(problem, workload))
    return trace_inputs(problem, inputs), inputs


def trace_inputs(problem: Problem, inputs: Inputs) -> Traced:
    """Trace `problem` on these inputs; of a tensor only shape, strides and dtype matter."""
    tensors = {p: t for p, t in inputs.tensors().items() if not p.startswith("init.")}
    for path, tensor in tensors.items():
        if str(tensor.dtype).removeprefix("torch.") not in SUPPORTED:
            raise NotRowwise(f"{path} is {tensor.dtype}, the generator knows {', '.join(SUPPORTED)}")
    shape_of_result: dict[str, Any] = {}

    def call(*flat: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = dict(zip(tensors, flat, strict=True))
        args = [given.get(f"args.{name}", value) for name, value in inputs.args.items()]
        result = _call(problem, inputs, given, args)
        shape_of_result["type"] = type(result).__name__
        return as_tuple(result)

    try:
        graph = _make_graph(call, tuple(tensors.values()))
    except NotRowwise:
        raise
    except Exception as error:  # whatever a user's reference raises under tracing is the reason
        raise NotRowwise(f"tracing the reference failed: {str(error).strip().splitlines()[0]}") from error
    container = shape_of_result.get("type", "Tensor")
    return Traced(graph.graph, graph, tuple(tensors), container == "Tensor", container)


def _make_graph(call: Callable[..., Any], tensors: tuple[torch.Tensor, ...]) -> torch.fx.GraphModule:
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, torch.no_grad():
        fakes = [torch.empty_strided(t.shape, t.stride(), dtype=t.dtype) for t in tensors]
    pure = functionalize(call, remove="mutations")
    with mode, torch.no_grad(), _quiet():
        graph = make_fx(pure, decomposition_table=_decompositions())(*fakes)
        if any(_writes(n) for n in graph.graph.nodes):  # decompositions bring in-place steps of their own
            graph = make_fx(functionalize(graph, remove="mutations"))(*fakes)
        return graph


@contextmanager
def _quiet() -> Iterator[None]:
    """A trial that fails is an answer here; torch would log it as an error."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    was, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = was


def _writes(node: torch.fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _call(problem: Problem, inputs: Inputs, given: dict[str, torch.Tensor], args: list[Any]) -> Any:
    assert problem.reference is not None
    if problem.kind == "function":
        return problem.reference(*args)
    module = problem.reference(*inputs.init)
    names = {n for n, _ in (*module.named_parameters(), *module.named_buffers())}
    state = {p.removeprefix("state."): t for p, t in given.items() if p.startswith("state.")}
    missing = names - set(state)
    if missing:
        raise NotRowwise(f"the inputs give no value for the parameter {sorted(missing)[0]!r}")
    return functional_call(module, state, tuple(args))


def _inputs(problem: Problem, workload: Workload) -> Inputs:
    """Inputs of the workload without their content where the problem's own code allows it, else with."""
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            inputs = problem.make_inputs(workload, 0)
    except Exception:  # noqa: BLE001 - the author's code may refuse fake tensors in any way: draw real inputs
        inputs = problem.make_inputs(workload, 0)
    return inputs


def _with_buffers(problem: Problem, inputs: Inputs) -> Inputs:
    """Add the buffers that a state leaves out (those that are not saved): the constructor makes them anew each time."""
    if problem.kind == "function":
        return inputs
    assert problem.reference is not None
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            module = problem.reference(*inputs.init)
    except Exception:  # noqa: BLE001 - the author's constructor may refuse fake tensors in any way
        module = problem.reference(*inputs.init)
    rest = {name: buffer for name, buffer in module.named_buffers() if name not in inputs.state}
    return replace(inputs, state={**inputs.state, **rest})


def signature_of(problem: Problem) -> inspect.Signature:
    """The signature that the candidate must have, without `self`."""
    assert problem.reference is not None
    target: Any = problem.reference
    if problem.kind == "module":
        target = target.forward
    signature = inspect.signature(target)
    kept = [p for n, p in signature.parameters.items() if not (problem.kind == "module" and n == "self")]
    return signature.replace(parameters=kept)
