"""A module as it was called -> a problem file in KernelBench's form, which stands alone.

The forward pass is traced by torch.fx, so that the file needs nothing of the program that it comes from. Weights become
random ones of the same mean and spread, inputs likewise. What cannot stand alone is refused, with the reason: tracing
fails where a forward pass branches on data, and a large table among the buffers cannot be written down.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import units
from ..problem import as_tuple
from .modules import Site

if TYPE_CHECKING:
    import torch

_LARGEST_LITERAL = 64  # elements of a buffer that is written out
_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Written:
    """The text of a problem file, or why there is none."""

    text: str = ""
    why: str = ""


class CannotWrite(Exception):
    """This module cannot be a file of its own; the message says why."""


def module_problem(site: Site, module: torch.nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Written:
    """Return `module` at `site`, without modules inside, called with `args` and `kwargs`, as a problem file, which has
    been run before."""
    import torch

    try:
        with torch.no_grad():
            text = _text(site, module, args, kwargs)
            _try(text)
    except CannotWrite as error:
        return Written(why=str(error))
    except Exception as error:  # noqa: BLE001  (fx and foreign code fail in many ways; the reason is told)
        return Written(why=f"{type(error).__name__}: {' '.join(str(error).split())[:160]}")
    return Written(text)


def _text(site: Site, module: torch.nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    tensors, fixed = _arguments(module, args, kwargs)
    if made := _constructor(module):
        imports, state = "", [f"self.inner = {made}", *([] if module.training else ["self.eval()"])]
        given = ", ".join([*tensors, *(f"{name}={value!r}" for name, value in fixed.items())])
        forward = f"    def forward({', '.join(['self', *tensors])}):\n        return self.inner({given})\n"
    else:
        imports, forward = _forward(module, fixed)
        state = [f"self.{name} = nn.Parameter({_drawn(p)})" for name, p in module.named_parameters()]
        state += [f'self.register_buffer("{name}", {_table(name, b)})' for name, b in module.named_buffers()]
    body = "\n".join(f"        {line}" for line in ("super().__init__()", *state))
    inputs = "".join(f"        {_drawn(t)},  # {name}\n" for name, t in tensors.items())
    place = f"{site.kind} in {site.path}" if site.path else site.kind
    shapes = ", ".join(f"{'x'.join(map(str, t.shape)) or 'scalar'} {_dtype(t)}" for t in tensors.values())
    return (
        f'"""{place}, as it was called while profiled: {shapes}."""\n\n'
        f"import torch\nfrom torch import nn\n{imports}\n\n"
        f"class Model(nn.Module):\n    def __init__(self):\n{body}\n\n{forward.rstrip()}\n\n\n"
        f"def get_inputs():\n    return [\n{inputs}    ]\n\n\n"
        f"def get_init_inputs():\n    return []\n"
    )


def _constructor(module: torch.nn.Module) -> str:
    """The call that makes a module of torch.nn like this one, as it shows itself: "nn.Linear(in_features=8, ...)"; ""
    for a class of somebody else's, or one that does not show all that it is."""
    from torch import nn

    if getattr(nn, type(module).__name__, None) is not type(module):
        return ""
    text = f"nn.{module!r}"
    try:
        again = eval(text, {"nn": nn})
    except (TypeError, SyntaxError, NameError, ValueError):
        return ""
    alike = {name: value.shape for name, value in again.state_dict().items()}
    same = repr(again) == repr(module) and alike == {name: v.shape for name, v in module.state_dict().items()}
    dtypes = {p.dtype for p in module.parameters()}
    cast = f".to({dtypes.pop()})" if len(dtypes) == 1 else ""
    return text + (cast if cast != ".to(torch.float32)" else "") if same else ""


def _arguments(
    module: torch.nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors of a call by the names of `forward`, and the plain values, which become part of the text."""
    import torch

    bound = inspect.signature(module.forward).bind(*args, **kwargs)
    bound.apply_defaults()
    tensors = {name: value for name, value in bound.arguments.items() if isinstance(value, torch.Tensor)}
    fixed = {name: value for name, value in bound.arguments.items() if name not in tensors}
    if strange := [name for name, value in fixed.items() if not isinstance(value, _PLAIN)]:
        raise CannotWrite(f"`{strange[0]}` is neither a tensor nor a plain value")
    if not tensors:
        raise CannotWrite("it takes no tensor")
    return tensors, fixed


def _forward(module: torch.nn.Module, fixed: dict[str, Any]) -> tuple[str, str]:
    """The imports that the traced forward pass needs, and its text, indented as a method."""
    from torch import fx

    graph = fx.Tracer().trace(module, concrete_args=fixed or None)
    for node in list(graph.nodes):
        if node.op == "placeholder" and re.sub(r"_\d+$", "", _name(node)) in fixed:
            _erase(graph, node)
    code = graph.python_code("self")
    text = re.sub(r";  (\w+ = )+None", "", code.src).strip()
    text = re.sub(r"\n +\w+ = None(?=\n|$)", "", text)
    _, _, rest = text.partition("\n")
    names = ", ".join(["self", *(_name(n) for n in graph.nodes if n.op == "placeholder")])
    used = {name: value for name, value in code.globals.items() if re.search(rf"\b{name}\b", rest)}
    return _imports(used), f"    def forward({names}):\n" + "\n".join(f"    {line}" for line in rest.split("\n"))


def _name(placeholder: Any) -> str:
    return str(placeholder.target).lstrip("*")


def _erase(graph: Any, node: Any) -> None:
    """Remove an argument of fixed value, with the checks that fx makes of it."""
    for user in list(node.users):
        _erase(graph, user)
    graph.erase_node(node)


def _imports(names: Mapping[str, Any]) -> str:
    """Import lines for what the traced code calls beside `torch`; CannotWrite for what is no part of torch."""
    lines = []
    for name, value in names.items():
        home, known = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
        if name == "torch":
            continue
        if name in ("inf", "nan"):
            lines.append(f"from math import {name}")
        elif str(home).split(".")[0] == "torch" and "." not in known and known:
            lines.append(f"from {home} import {known}" + (f" as {name}" if name != known else ""))
        else:
            raise CannotWrite(f"it calls {name}, which is no part of torch")
    return "".join(f"{line}\n" for line in sorted(lines))


def _drawn(tensor: torch.Tensor) -> str:
    """An expression that draws a tensor like this one: shape, dtype, mean and spread, or the range of integers."""
    import torch

    shape, dtype = tuple(tensor.shape), f"dtype=torch.{_dtype(tensor)}"
    if tensor.dtype is torch.bool:
        return f"torch.rand({shape}) < {float(tensor.float().mean()):.3g}"
    if not tensor.is_floating_point():
        if tensor.is_complex():
            raise CannotWrite("complex numbers are not written")
        low, high = (int(tensor.min()), int(tensor.max())) if tensor.numel() else (0, 0)
        return f"torch.randint({low}, {high + 1}, {shape}, {dtype})"
    wide = tensor.detach().double()
    mean, spread = (float(wide.mean()), float(wide.std(correction=0))) if wide.numel() else (0.0, 1.0)
    if spread <= 1e-6 * abs(mean) or spread == 0:
        return f"torch.full({shape}, {mean:.6g}, {dtype})"
    return f"torch.normal({mean:.3g}, {spread:.3g}, {shape}).to(torch.{_dtype(tensor)})"


def _table(name: str, buffer: torch.Tensor) -> str:
    """An expression for a buffer: a constant, or its values."""
    flat = buffer.flatten()
    if flat.numel() and bool((flat == flat[0]).all()):
        return f"torch.full({tuple(buffer.shape)}, {flat[0].item()}, dtype=torch.{_dtype(buffer)})"
    if flat.numel() <= _LARGEST_LITERAL:
        return f"torch.tensor({buffer.tolist()}, dtype=torch.{_dtype(buffer)})"
    raise CannotWrite(f"its buffer `{name}` is a table of {units.byte_count(flat.numel() * buffer.element_size())}")


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _try(text: str) -> None:
    """Run the file twice on the same inputs; CannotWrite where results differ, which no kernel could match."""
    import torch

    space: dict[str, Any] = {"__name__": "problem"}
    exec(compile(text, "problem.py", "exec"), space)
    model, inputs = space["Model"](), space["get_inputs"]()
    for one, other in zip(as_tuple(model(*inputs)), as_tuple(model(*inputs)), strict=True):
        if not isinstance(one, torch.Tensor):
            raise CannotWrite("it returns something that is no tensor")
        if not torch.equal(one.nan_to_num(), other.nan_to_num()):
            raise CannotWrite("its result is random")
