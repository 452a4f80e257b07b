"""A look at a GPU MODE task in the probe's process: what its generator makes, and what its reference does with that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._errors import InputError
from ._module import run_module
from ._source import Source
from ._trace_set import DATA
from ._tree import Layout, layout_of, leaves_of, values_of

if TYPE_CHECKING:
    import torch


def generated(module: Any, data: dict[str, Any], case: dict[str, Any], generator: torch.Generator) -> Any:
    """Return what generate_input makes of `case` and a seed of ours."""
    import torch

    from .kernelbench import seeded, written

    # Of the size that their own have: some generators compute with the seed, and lose all digits with a large one.
    seed = int(torch.randint(1, 2**16, (), generator=generator))
    with seeded(seed), written():
        return module.reference.generate_input(**case, **({"seed": seed} if data["seeded"] else {}))


def survey(source: Source, stage: Any, attempt: Any) -> dict[str, Any]:
    """In the probe's process: generate the smallest case, run the reference on it, and find the buffers."""
    import torch

    module, data = run_module(source), source.literal(DATA)
    stage("draw")
    case = min((c for _, c in data["cases"]), key=_elements)
    rest = {k: v for k, v in case.items() if k != "seed"}
    made = generated(module, data, rest, torch.Generator().manual_seed(0))
    layout = layout_of(made, data["names"], data["names"][0] if len(data["names"]) == 1 else "data")
    values = values_of(layout, made)
    stage("reference")
    results: list[Any] = []

    def run(changed: int = -1) -> Any:
        copies = [_copy(v, i == changed) for i, v in enumerate(values)]
        with torch.no_grad():
            results.append(module.reference.ref_kernel(rebuilt(layout, iter(copies))))
        return results[-1]

    run()  # however long it takes: what is no buffer must not be taken for one
    facts = attempt(lambda: results[0])
    outputs = facts["outputs"]
    if any(o["kind"] != "tensor" for o in outputs):
        raise InputError(f"{source.path}: ref_kernel must return tensors, not a {outputs[0]['kind']}")
    for index, (leaf, value) in enumerate(zip(leaves_of(layout), values, strict=True)):
        if isinstance(value, torch.Tensor):
            leaf["tensor"] = True
            kind = str(value.dtype).removeprefix("torch.")
            alike = any(o["shape"] == list(value.shape) and o["dtype"] == kind for o in outputs)
            if alike and _same(results[0], run(index)):
                leaf |= {"kind": "buffer", "dtype": kind, "tensor": False}
    if not any(leaf.get("tensor") for leaf in leaves_of(layout)):
        raise InputError(f"{source.path}: generate_input returns no tensor")
    return {**facts, "layout": layout, **_dtypes(layout, values)}


def _dtypes(layout: Layout, values: list[Any]) -> dict[str, str]:
    """The dtype of the heaviest input, and the one floating dtype of them all, or ""."""
    given = [v for leaf, v in zip(leaves_of(layout), values, strict=True) if leaf.get("tensor")]
    floats = {str(t.dtype).removeprefix("torch.") for t in given if t.is_floating_point()}
    heaviest = max(given, key=lambda t: t.numel() * t.element_size())
    return {"float": floats.pop() if len(floats) == 1 else "", "dtype": str(heaviest.dtype).removeprefix("torch.")}


def _copy(value: Any, other: bool) -> Any:
    import torch

    if not isinstance(value, torch.Tensor):
        return value
    return torch.ones_like(value) if other else value.clone()


def rebuilt(layout: Layout, values: Any) -> Any:
    """Return the object of `layout` with `values`, an iterator over those of its leaves."""
    if layout["kind"] in ("leaf", "buffer"):
        return next(values)
    if layout["kind"] == "dict":
        return {k: rebuilt(part, values) for k, part in layout["items"]}
    parts = [rebuilt(part, values) for part in layout["items"]]
    return parts if layout["kind"] == "list" else tuple(parts)


def _same(a: Any, b: Any) -> bool:
    import torch

    from ..problem import as_tuple

    pairs = zip(as_tuple(a), as_tuple(b), strict=True)
    return all(torch.equal(torch.nan_to_num(x.float()), torch.nan_to_num(y.float())) for x, y in pairs)


def _elements(case: dict[str, Any]) -> int:
    size = 1
    for name, value in case.items():
        if type(value) is int and name != "seed":
            size *= max(value, 1)
    return size
