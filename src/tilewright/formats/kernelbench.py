"""KernelBench files: a problem is `Model`, `get_inputs`, `get_init_inputs`; a candidate is `ModelNew`.

Read with three rules of our own. Inputs are drawn from a seed: `get_inputs` runs under a forked random state. Only
floating tensors are cast to the workload's dtype, integers stay integers. Weights are random, never default: a kernel
that drops a weight of ones or a bias of zeros must not pass.
"""

from __future__ import annotations

import contextlib
import inspect
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..candidate import Candidate
from ..problem import Inputs, Problem, Workload
from ._errors import InputError
from ._module import quiet, run_module
from ._probe import LOAD_TIMEOUT_S, probe
from ._source import Source, language_of, settings_of

if TYPE_CHECKING:
    import torch

NAME = "kernelbench"
ENTRY = "ModelNew"
WEIGHT_SPREAD = 0.2


def is_problem(source: Source) -> bool:
    return {"Model", "get_inputs"} <= source.bound


def is_candidate(source: Source, problem: Problem | None) -> bool:
    return ENTRY in source.bound


def read_problem(source: Source, timeout_s: float = LOAD_TIMEOUT_S) -> Problem:
    """Return the problem of `source` with one workload, the sizes that it is written for."""
    facts = probe(source, NAME, timeout_s)
    tensors = _tensors(facts["inputs"])
    if not tensors:
        raise InputError(
            f"{source.path}: get_inputs() gives no tensor, so that every call is the same and its result can be kept; "
            "it must give at least one"
        )
    _check_outputs(source, facts)
    largest = max(tensors, key=lambda t: t["bytes"])
    workload = Workload(
        name="x".join(map(str, largest["shape"])) or "scalar",
        dtype=_working_dtype([*tensors, *facts["state"].values()]),
        source=source.name,
    )
    data = Problem(
        name=source.name,
        kind="module",
        format=NAME,
        source=source.text,
        workloads=(workload,),
        outputs=tuple(facts.get("output_names", ("out",))),
    )
    problem = bind(data, source)
    _check_arity(source, problem, len(facts["inputs"]))
    return problem


def _check_outputs(source: Source, facts: dict[str, Any]) -> None:
    """Refuse what returns no tensors; a reference that took too long to be seen is not held against its file."""
    if "outputs" not in facts:
        return
    kinds = [o["kind"] for o in facts["outputs"]]
    if not kinds or any(kind != "tensor" for kind in kinds):
        said = f"a {kinds[0]}" if kinds else "no tensor"
        raise InputError(f"{source.path}: Model.forward returns {said}; it must return tensors")


def bind(problem: Problem, source: Source) -> Problem:
    """Return `problem` with its callables bound from `source` again; nothing is probed."""
    module = run_module(source)
    missing = [n for n in ("Model", "get_inputs") if not callable(getattr(module, n, None))]
    if missing:
        raise InputError(f"{source.path} defines no {' and no '.join(missing)}")
    names = _argument_names(module.Model.forward)

    def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
        import torch

        seed = int(torch.randint(0, 2**62, (), generator=generator))
        with quiet(source, "inputs"), seeded(seed), written():
            init = tuple(getattr(module, "get_init_inputs", list)())
            args = [_on_cpu(a) for a in module.get_inputs()]
            state = random_state(module.Model(*init))
        call = Inputs(args=dict(zip(names(len(args)), args, strict=True)), state=state, init=init)
        return call.cast(getattr(torch, workload.dtype))

    return problem.with_(reference=module.Model, inputs=inputs)


def read_candidate(source: Source, problem: Problem) -> Candidate:
    """Return the candidate `ModelNew` of `source`, read without running it."""
    if problem.kind != "module":
        raise InputError(
            f"{source.path} defines ModelNew, but {problem.name} is a function: define {call_of(problem)} instead"
        )
    params, space = settings_of(source)
    return Candidate(
        name=source.name,
        source=source.text,
        entry=ENTRY,
        kind="module",
        language=language_of(source),
        params=params,
        space=space,
    )


def write_candidate(candidate: Candidate, problem: Problem) -> str:
    """Return `candidate` as the text of a file that defines ModelNew; functions get a module around them."""
    if candidate.kind == "module":
        alias = "" if candidate.entry == ENTRY else f"\n\n{ENTRY} = {candidate.entry}\n"
        return candidate.source.rstrip("\n") + "\n" + alias
    if problem.kind == "module":
        names = ", ".join(problem.signature())
    else:
        names = ", ".join(n for n in inspect.signature(problem.reference).parameters)  # type: ignore[arg-type]
    return (
        f"{candidate.source.rstrip()}\n\n\nimport torch as _torch  # noqa: E402\n\n\n"
        f"class {ENTRY}(_torch.nn.Module):\n"
        f"    def forward(self, {names}):\n"
        f"        return {candidate.entry}({names})\n"
    )


def write(candidate: Candidate, problem: Problem) -> dict[str, str]:
    """Return the one file with `ModelNew`."""
    return {f"{candidate.name}.py": write_candidate(candidate, problem)}


def call_of(problem: Problem) -> str:
    """Return how a function candidate of `problem` must look, for messages: "rms_norm(x, weight, eps)"."""
    return f"{problem.name}({', '.join(problem.signature())})"


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run with every global random state set from `seed`, and put the caller's states back after."""
    import numpy
    import torch

    python, array = random.getstate(), numpy.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        numpy.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(python)
            numpy.random.set_state(array)


@contextlib.contextmanager
def written() -> Iterator[None]:
    """Fill what torch.empty gives: a buffer handed to a candidate must not hold what this process had there before,
    which may be the truth."""
    import torch

    modes: Any = torch.utils.deterministic
    kept = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filled = modes.fill_uninitialized_memory
    torch._C._set_deterministic_algorithms(True, warn_only=True)
    modes.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch._C._set_deterministic_algorithms(kept[0], warn_only=kept[1])
        modes.fill_uninitialized_memory = filled


def random_state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the state of `module` with every constant weight drawn at random around its value.

    Ones become 1 + 0.2 N(0, 1), zeros 0.2 N(0, 1); what the constructor draws at random it has drawn from our seed.
    A weight that the constructor leaves unset, which `written` fills with NaN, is drawn so too, around zero. A running
    variance stays positive. Buffers that are tables (masks, frequencies) and integers stay as they are.
    """
    import torch

    weights = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    state: dict[str, torch.Tensor] = {}
    first: dict[tuple[Any, ...], str] = {}
    for name, value in module.state_dict().items():
        place = (value.untyped_storage()._cdata, value.storage_offset(), value.shape, value.stride())
        if first.setdefault(place, name) != name:  # two names of one weight
            state[name] = state[first[place]]
            continue
        value = _on_cpu(value).detach().clone()
        leaf = name.rsplit(".", 1)[-1]
        if value.is_floating_point() and value.numel():
            if name in weights and bool(value.isnan().all()):
                value = torch.zeros_like(value)
            if leaf == "running_var":
                value = value * (0.5 + torch.rand_like(value))
            elif leaf == "running_mean" or (name in weights and _is_constant(value)):
                value = value + WEIGHT_SPREAD * torch.randn_like(value) * (value.abs() + (value == 0))
        state[name] = value
    return state


def _is_constant(value: torch.Tensor) -> bool:
    return bool((value == value.flatten()[0]).all())


def _on_cpu(value: Any) -> Any:
    import torch

    if isinstance(value, list | tuple):
        return type(value)(_on_cpu(v) for v in value) if type(value) in (list, tuple) else value
    return value.cpu() if isinstance(value, torch.Tensor) else value


def _tensors(described: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tensors among what the probe saw, those inside lists included."""
    inside = [t for d in described for t in _tensors(d.get("items", []))]
    return [d for d in described if d["kind"] == "tensor"] + inside


def _working_dtype(tensors: list[dict[str, Any]]) -> str:
    """The dtype that most bytes of the floating tensors have; float32 if there are none."""
    total: dict[str, int] = {}
    for tensor in tensors:
        dtype = {"complex64": "float32", "complex128": "float64"}.get(tensor.get("dtype", ""), tensor.get("dtype", ""))
        if dtype.startswith(("float", "bfloat")):
            total[dtype] = total.get(dtype, 0) + tensor["bytes"]
    return max(total, key=lambda d: total[d]) if total else "float32"


def _argument_names(forward: Callable[..., Any]) -> Callable[[int], list[str]]:
    """Return a function from the number of inputs to their names, which *args makes up where it takes them."""
    parameters = [p for n, p in inspect.signature(forward).parameters.items() if n != "self"]
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return lambda count: (positional + [f"arg{i}" for i in range(len(positional), count)])[:count]


def _check_arity(source: Source, problem: Problem, count: int) -> None:
    try:
        inspect.signature(problem.reference.forward).bind(None, *range(count))  # type: ignore[union-attr]
    except TypeError as error:
        names = ", ".join(problem.signature())
        raise InputError(f"{source.path}: get_inputs() gives {count} values, forward({names}): {error}") from None
