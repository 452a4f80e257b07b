"""A candidate as a GPU MODE submission, with a task folder around it where the problem has none."""

from __future__ import annotations

import json
from typing import Any

from ..candidate import Candidate
from ..problem import Problem
from ._described import Described, described
from ._errors import InputError
from ._source import parse_source
from ._trace_set import DATA, safe_name
from ._tree import paths_of

_REFERENCE = '''{reference}


import torch  # noqa: E402
from task import input_t, output_t  # noqa: E402

SCALARS = {scalars!r}


def generate_input({arguments}) -> input_t:
    """Random inputs of the declared shapes and dtypes, from `seed`."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    made = torch.Generator(device).manual_seed(seed)

    def draw(shape, dtype, high):
        if dtype == torch.bool:
            return torch.rand(shape, generator=made, device=device) < 0.5
        if not dtype.is_floating_point:
            return torch.randint(0, high, shape, generator=made, device=device, dtype=dtype)
        return torch.randn(shape, generator=made, device=device).to(dtype)

    return {data}


def ref_kernel(data: input_t) -> output_t:
    return run(*data)


def _outputs(result):
    result = tuple(result.values()) if isinstance(result, dict) else result
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def _wide(value):
    return value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def check_implementation(data: input_t, output: output_t) -> tuple[bool, str]:
    """Truth is the reference in float64; the error allowed is twice what the reference itself makes at this dtype."""
    truth = _outputs(ref_kernel(tuple(_wide(v) for v in data)))
    plain, found = _outputs(ref_kernel(data)), _outputs(output)
    if len(found) != len(truth):
        return False, f"{{len(found)}} outputs, the reference gives {{len(truth)}}"
    for number, (right, near, value) in enumerate(zip(truth, plain, found)):
        if not isinstance(value, torch.Tensor) or value.shape != near.shape or value.dtype != near.dtype:
            return False, f"output {{number}} must be {{near.dtype}}{{list(near.shape)}}"
        if not near.is_floating_point():
            if not torch.equal(value, near):
                return False, f"output {{number}} differs from the reference"
            continue
        def error(x):
            away = (x.double() - right)[torch.isfinite(right)]
            return float(away.square().mean().sqrt()) if away.numel() else 0.0

        unit = torch.finfo(near.dtype).eps * float(right[torch.isfinite(right)].square().mean().sqrt())
        if not error(value) <= 2 * max(error(near), unit / 4):
            return False, f"output {{number}} is off by {{error(value):.3g}}, the reference by {{error(near):.3g}}"
    return True, ""
'''
_TASK = """import torch

input_t = tuple[{types}]
output_t = torch.Tensor
"""
_YML = """files:
  - {{"name": "submission.py", "source": "@SUBMISSION@"}}
  - {{"name": "task.py", "source": "task.py"}}
  - {{"name": "reference.py", "source": "reference.py"}}

lang: "py"

description: |
  {title}

tests:
{cases}
benchmarks:
{cases}
"""


def gpumode_files(candidate: Candidate, problem: Problem) -> dict[str, str]:
    """Return submission.py, and for a problem of another format the task's files too."""
    if problem.format == "gpumode":
        return {"submission.py": _submission(candidate, problem)}
    known = described(problem)
    head = f"#!POPCORN leaderboard {safe_name(problem.name)}\n"
    text = f"{known.candidate_text(candidate)}\n\ndef custom_kernel(data):\n    return run(*data)\n"
    types = ", ".join("torch.Tensor" if s is not None else "float" for s, _ in known.inputs.values())
    cases = "".join(f"  - {json.dumps(case)}\n" for case in _cases(known))
    title = f"Compute what ref_kernel computes: {safe_name(problem.name)}."
    return {
        "task.yml": _YML.format(title=title, cases=cases.rstrip("\n")),
        "task.py": _TASK.format(types=types),
        "reference.py": _reference(known),
        "submission.py": head + text,
    }


def _submission(candidate: Candidate, problem: Problem) -> str:
    kept = (candidate.model_extra or {}).get("submission")
    if kept and kept["text"] == candidate.source:
        return kept["submission"]
    if candidate.kind == "module":
        raise InputError(f"{candidate.name} is a class, and {problem.name} is computed by a function")
    data = parse_source(problem.source, problem.name).literal(DATA)
    given = ", ".join(
        f"list({path}.shape)" if leaf["kind"] == "buffer" else path for leaf, path in paths_of(data["layout"], "data")
    )
    text, entry = candidate.source.rstrip(), candidate.entry
    if entry == "custom_kernel":
        text, entry = f"{text}\n\n\n_custom_kernel = custom_kernel", "_custom_kernel"
    head = f"#!POPCORN leaderboard {problem.name}\n"
    return f"{head}{text}\n\n\ndef custom_kernel(data):\n    return {entry}({given})\n"


def _reference(known: Described) -> str:
    varying = [n for n, size in known.axes.items() if isinstance(size, tuple)]
    sizes = {n: n if n in varying else str(size) for n, size in known.axes.items()}
    rows = [size for shape, d in known.inputs.values() for size in (shape or ())[:1] if "float" in d]
    high = f"max(min({', '.join(sizes[r] for r in rows)}, {sizes[rows[0]]}), 1)" if rows else "2"
    parts = []
    for name, (shape, dtype) in known.inputs.items():
        if shape is None:
            parts.append(f"SCALARS[{name!r}]" + ("[case]" if _several(known, name) else "[0]"))
        else:
            parts.append(f"draw(({''.join(sizes[a] + ', ' for a in shape)}), torch.{dtype}, {high})")
    arguments = ["seed: int", *(f"{n}: int" for n in varying)]
    if any(_several(known, n) for n in known.scalars):
        arguments.append("case: int")
    return _REFERENCE.format(
        reference=known.reference_text().rstrip(),
        scalars=known.scalars,
        arguments=", ".join(arguments),
        data=f"({', '.join(parts)},)",
    )


def _several(known: Described, name: str) -> bool:
    return len(set(known.scalars[name])) > 1


def _cases(known: Described) -> list[dict[str, Any]]:
    cases = []
    for index in range(len(known.workloads)):
        case = {n: size[index] for n, size in known.axes.items() if isinstance(size, tuple)}
        if any(_several(known, n) for n in known.scalars):
            case["case"] = index
        cases.append({**case, "seed": 1000 + index})
    return cases
