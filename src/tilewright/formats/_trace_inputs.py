"""Inputs of a FlashInfer-Bench or SOL-ExecBench workload: random, scalar, from a file, or made by the definition.

A random input has only a shape and a dtype in the file, so the rest is read from names and constraints: integers are
valid indices, offsets into a ragged batch rise, variances are positive, probabilities sum to one. All else is normal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._errors import InputError
from ._safetensors import read_tensor
from ._trace import DTYPES, Definition, Descriptor, TensorSpec, WorkloadEntry

if TYPE_CHECKING:
    import torch

_OFFSETS = re.compile(r"indptr|^cu_|_offsets$|cu_seqlens")
_POSITIVE = re.compile(r"(^|_)(var|variance|std|rstd|inv_rms|scale|scales|inv_scale)\d*$")
_PROBABILITIES = re.compile(r"(^|_)(probs|probabilities|attn_weights|routing_weights)$")
_NEGATIVE = re.compile(r"^(A|A_log|g|decay|log_decay)$")
_INTEGER_RANGE = {"int8": (-128, 128), "uint8": (0, 256), "int16": (-1024, 1024)}


def shape_of(spec: TensorSpec, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(sizes[a] if isinstance(a, str) else a for a in spec.shape or ())


def dtype_of(spec: TensorSpec) -> torch.dtype:
    import torch

    return getattr(torch, DTYPES.get(spec.dtype, spec.dtype))


def bytes_of(spec: TensorSpec, sizes: Mapping[str, int]) -> int:
    """Bytes of an input or output at these sizes; 0 for a scalar."""
    return 0 if spec.shape is None else math.prod(shape_of(spec, sizes)) * dtype_of(spec).itemsize


def draw(
    definition: Definition,
    entry: WorkloadEntry,
    sizes: Mapping[str, int],
    root: str,
    generator: torch.Generator,
    custom: Callable[[dict[str, Any]], Mapping[str, Any]] | None,
) -> dict[str, Any]:
    """Return the inputs of `entry` by name, in the definition's order, on the CPU."""
    made: Mapping[str, Any] = {}
    if any(d.type == "custom" for d in entry.inputs.values()):
        if custom is None:
            raise InputError(f"workload {entry.uuid}: an input is custom, but no custom_inputs_entrypoint is defined")
        scalars = {name: d.value for name, d in entry.inputs.items() if d.type == "scalar"}
        made = custom({**sizes, **scalars})
    found = {}
    for name, spec in definition.inputs.items():
        descriptor = entry.inputs.get(name, Descriptor(type="random"))
        found[name] = _one(definition, name, spec, descriptor, sizes, root, generator, made)
    return found


def _one(
    definition: Definition,
    name: str,
    spec: TensorSpec,
    descriptor: Descriptor,
    sizes: Mapping[str, int],
    root: str,
    generator: torch.Generator,
    made: Mapping[str, Any],
) -> Any:
    if descriptor.type == "scalar":
        return descriptor.value
    if descriptor.type == "custom":
        if name not in made:
            raise InputError(f"{definition.custom_inputs_entrypoint} gives no {name}; it gives {', '.join(made)}")
        return _checked(made[name], name, spec, sizes)
    if descriptor.type == "safetensors":
        file = _blob(root, descriptor.path or "")
        return _checked(read_tensor(file, descriptor.tensor_key or name), name, spec, sizes)
    value = _random(definition, name, spec, sizes, generator)
    return value.item() if spec.shape is None else value


def _random(
    definition: Definition, name: str, spec: TensorSpec, sizes: Mapping[str, int], generator: torch.Generator
) -> torch.Tensor:
    import torch

    shape, dtype = shape_of(spec, sizes), dtype_of(spec)
    if dtype == torch.bool:
        return torch.rand(shape, generator=generator) < 0.5
    if dtype.itemsize == 1 and "float4" in str(dtype):
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8).view(dtype)
    if not dtype.is_floating_point:
        return _integers(definition, name, spec, sizes, generator)
    x = torch.randn(shape, generator=generator, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
    if _PROBABILITIES.search(name) and x.ndim:
        x = torch.softmax(x, -1)
    elif name.startswith(("cos", "sin")) or name.endswith(("_cos", "_sin")):
        x = torch.cos(math.pi * x)
    elif _POSITIVE.search(name) or "e8m0" in spec.dtype:
        x = x.abs() + 0.1
    elif _NEGATIVE.search(name):
        x = -x.abs() - 1e-3
    return x.clamp(-2.0, 2.0).to(dtype) if dtype.itemsize == 1 else x.to(dtype)


def _integers(
    definition: Definition, name: str, spec: TensorSpec, sizes: Mapping[str, int], generator: torch.Generator
) -> torch.Tensor:
    """Indices that are valid wherever they may point, or offsets that rise from 0 to the size they cut."""
    import torch

    shape, dtype = shape_of(spec, sizes), dtype_of(spec)
    if _OFFSETS.search(name) and len(shape) == 1 and shape[0] > 1:
        total = _total(definition, name, sizes)
        cuts = torch.randint(0, total + 1, (shape[0] - 2,), generator=generator).sort().values
        ends = torch.tensor([0]), torch.tensor([total])
        return torch.cat([ends[0], cuts, ends[1]]).to(dtype)
    low, high = _INTEGER_RANGE.get(spec.dtype, (0, _fewest_rows(definition, sizes)))
    return torch.randint(low, high, shape, generator=generator, dtype=dtype)


def _total(definition: Definition, name: str, sizes: Mapping[str, int]) -> int:
    """What the last offset must be: a constraint "axis == name[-1].item()" says it, else the first input's rows."""
    for constraint in definition.constraints or ():
        found = re.match(rf"\s*(\w+)\s*==\s*{re.escape(name)}\s*\[\s*-1\s*\]", constraint)
        if found and found[1] in sizes:
            return sizes[found[1]]
    floats = [s for s in definition.inputs.values() if s.shape and "float" in s.dtype]
    return shape_of(floats[0], sizes)[0] if floats else 1


def _fewest_rows(definition: Definition, sizes: Mapping[str, int]) -> int:
    """The smallest leading size of the floating inputs with rows: an index below it is valid in each of them."""
    rows = [shape_of(s, sizes)[0] for s in definition.inputs.values() if len(s.shape or ()) > 1 and "float" in s.dtype]
    return max(min(rows, default=1024), 1)


def _blob(root: str, path: str) -> Path:
    """Return the file of a safetensors input: below the data set's folder, wherever the path's first parts end."""
    if not root:
        raise InputError(f"the input file {path!r} is relative to a data set; name the data set's folder")
    parts = Path(path).parts
    if not parts or ".." in parts or "\0" in path or Path(path).is_absolute():
        raise InputError(f"the input file {path!r} must be relative to the data set {root} and stay inside it")
    for start in range(len(parts)):
        file = Path(root, *parts[start:])
        if file.is_file():
            return file
    raise InputError(f"there is no input file {Path(root, path)}; the data set is not complete")


def _checked(value: Any, name: str, spec: TensorSpec, sizes: Mapping[str, int]) -> Any:
    """Return `value` on the CPU if it has the declared shape and dtype; InputError else."""
    import torch

    if spec.shape is None or not isinstance(value, torch.Tensor):
        if spec.shape is not None:
            raise InputError(f"the input {name} is a {type(value).__name__}, and the definition says tensor")
        return value.item() if isinstance(value, torch.Tensor) else value
    wanted, dtype = shape_of(spec, sizes), dtype_of(spec)
    if tuple(value.shape) != wanted or value.dtype != dtype:
        have = f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
        raise InputError(f"the input {name} is {have}, and the definition says {spec.dtype}{list(wanted)}")
    return value.detach().cpu()
