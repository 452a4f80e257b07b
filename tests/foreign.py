"""Miniature problems and kernels in the formats of other projects, written for the tests."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

REFERENCE = """import torch


def run(x, scale):
    return torch.relu(x) * scale
"""

DEFINITION: dict[str, Any] = {
    "name": "scaled_relu_n24",
    "op_type": "elementwise",
    "tags": ["made:for-tests"],
    "axes": {"M": {"type": "var", "description": "rows"}, "N": {"type": "const", "value": 24}},
    "inputs": {
        "x": {"shape": ["M", "N"], "dtype": "float32", "unit": "none"},
        "scale": {"shape": None, "dtype": "float32"},
    },
    "outputs": {"y": {"shape": ["M", "N"], "dtype": "float32"}},
    "reference": REFERENCE,
    "future_field": {"kept": [1, 2]},
}

WORKLOADS: list[dict[str, Any]] = [
    {
        "uuid": f"w{m}",
        "axes": {"M": m},
        "inputs": {"x": {"type": "random"}, "scale": {"type": "scalar", "value": 1.5}},
        "tolerance": {"max_atol": 0.5, "note": "not ours"},
    }
    for m in (7, 32)
]

KERNEL = """import torch


def run(x, scale, y):
    torch.clamp(x, min=0, out=y)
    y.mul_(scale)
"""

SOLUTION: dict[str, Any] = {
    "name": "clamp_dps",
    "definition": "scaled_relu_n24",
    "author": "someone",
    "spec": {"language": "python", "target_hardware": ["cpu"], "entry_point": "main.py::run", "dependencies": []},
    "sources": [{"path": "main.py", "content": KERNEL, "encoding": "utf-8"}],
    "license": "kept too",
}


def data_set(folder: Path, definition: dict[str, Any] = DEFINITION, *solutions: dict[str, Any]) -> Path:
    """Write a FlashInfer-Bench data set of one definition and return its folder."""
    name, kind = definition["name"], definition["op_type"]
    lines = [{"definition": name, "workload": w, "solution": None, "evaluation": None} for w in WORKLOADS]
    other = {"definition": "another_definition", "workload": WORKLOADS[0]}
    put(folder / "definitions" / kind / f"{name}.json", json.dumps(definition))
    put(folder / "workloads" / kind / f"{name}.jsonl", "\n".join(json.dumps(line) for line in [*lines, other]))
    for solution in solutions or (SOLUTION,):
        put(folder / "solutions" / kind / name / f"{solution['name']}.json", json.dumps(solution))
    return folder


SOL_DEFINITION: dict[str, Any] = {
    "name": "row_means",
    "axes": {
        "B": {"type": "var"},
        "H": {"type": "const", "value": 6},
        "W": {"type": "expr", "expression": "H * 2 + B // B"},
    },
    "custom_inputs_entrypoint": "make",
    "inputs": {"x": {"shape": ["B", "W"], "dtype": "float32"}, "index": {"shape": ["H"], "dtype": "int64"}},
    "outputs": {"mean": {"shape": ["H"], "dtype": "float32"}, "rows": {"shape": ["H", "W"], "dtype": "float32"}},
    "reference": """import torch


def make(sizes, device):
    x = torch.randn(sizes["B"], sizes["W"], device=device) * sizes["H"]
    return {"x": x, "index": torch.randint(0, sizes["B"], (sizes["H"],), device=device)}


def run(x, index):
    rows = x[index].clone()
    return {"rows": rows, "mean": rows.mean(-1)}
""",
    "hf_id": "nobody/nothing",
}

SOL_WORKLOADS = [{"uuid": "a", "axes": {"B": 5}, "inputs": {"x": {"type": "custom"}, "index": {"type": "custom"}}}]

MAIN = """from rows import taken


def run(x, index, mean, rows):
    rows.copy_(taken(x, index))
    mean.copy_(rows.sum(1) / rows.shape[1])
"""

SOL_SOLUTION: dict[str, Any] = {
    "name": "two_files",
    "definition": "row_means",
    "author": "someone",
    "spec": {
        "languages": ["pytorch"],
        "target_hardware": ["LOCAL"],
        "entry_point": "kernel/main.py::run",
        "destination_passing_style": True,
    },
    "sources": [
        {"path": "kernel/main.py", "content": MAIN},
        {"path": "rows.py", "content": "def taken(x, index):\n    return x.index_select(0, index)\n"},
    ],
}


def sol_folder(folder: Path) -> Path:
    """Write a SOL-ExecBench problem folder with a solution of two files and return it."""
    put(folder / "definition.json", json.dumps(SOL_DEFINITION))
    put(folder / "workload.jsonl", "".join(json.dumps(w) + "\n" for w in SOL_WORKLOADS))
    put(folder / "solution.json", json.dumps(SOL_SOLUTION))
    return folder


TASK_YML = """
files:
  - {"name": "submission.py", "source": "@SUBMISSION@"}
  - {"name": "task.py", "source": "task.py"}
  - {"name": "utils.py", "source": "../utils.py"}
  - {"name": "reference.py", "source": "reference.py"}
  - {"name": "eval.py", "source": "../eval.py"}
lang: "py"
description: |
  Sum the rows and shift them.
tests:
  - {"rows": 9, "columns": 17, "shift": 0.5, "seed": 4242}
  - {"rows": 9, "columns": 17, "shift": 0.5, "seed": 1}
  - {"rows": 3, "columns": 33, "shift": 1.5, "seed": 5}
benchmarks:
  - {"rows": 64, "columns": 32, "shift": 0.5, "seed": 7}
"""

TASK_FILES = {
    "task.py": "import torch\nfrom typing import TypeVar\ninput_t = TypeVar('input_t')\noutput_t = torch.Tensor\n",
    "reference.py": """from utils import compared, Quiet
import torch
from task import input_t, output_t


def generate_input(rows: int, columns: int, shift: float, seed: int) -> input_t:
    gen = torch.Generator(device="cuda").manual_seed(seed)
    x = torch.randn(rows, columns, device="cuda", generator=gen)
    options = {"shift": shift, "weights": [torch.rand(columns, device="cuda", generator=gen) + 1]}
    return x, options, torch.empty(rows, device="cuda")


def ref_kernel(data: input_t) -> output_t:
    with Quiet():
        x, options, output = data
        output[...] = (x * options["weights"][0]).sum(-1) + options["shift"]
        return output


check_implementation = compared(ref_kernel)
""",
    "submission.py": """#!POPCORN leaderboard row_shift
from __future__ import annotations
import torch
from task import input_t, output_t
from utils import Quiet


def custom_kernel(data: input_t) -> output_t:
    x, options, output = data
    with Quiet():
        torch.mv(x, options["weights"][0], out=output)
        return output.add_(options["shift"])
""",
}

UTILS = """import torch
from task import input_t


class Quiet:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def compared(reference):
    def check(data, output):
        return torch.allclose(reference(data), output), ""
    return check
"""


def task_folder(folder: Path, **changes: str) -> Path:
    """Write a GPU MODE folder with its neighbours and return it; `changes` replace files by their stems."""
    put(folder.parent / "utils.py", UTILS)
    put(folder.parent / "eval.py", "raise SystemExit('the harness of others is never run')\n")
    put(folder / "task.yml", TASK_YML)
    for name, text in TASK_FILES.items():
        put(folder / name, changes.get(name.removesuffix(".py"), text))
    return folder


def safetensors(tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    """The bytes of a safetensors file: name -> (dtype, shape, data)."""
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values())


def put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
