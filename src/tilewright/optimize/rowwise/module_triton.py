"""A row program -> the candidate for a GPU: one Python file with settings, Triton kernels and a checked entry."""

from __future__ import annotations

import ast
from typing import Any

from ...problem import Inputs, Problem
from .emit_triton import SETTINGS, Emitted, Kernel
from .index import NotRowwise
from .ir import Program
from .module import Batch, _access, _header, _left_out, _result, _shape, _with_decorators, entry_name
from .trace import Traced, signature_of

NEEDED = ("PARAMS", "INTERPRETED", "WIDE_FROM", "ModelNew", "torch", "triton", "tl", "libdevice", "os")
HEAD = """
# Which of its own steps the interpreter can do in no reasonable time is decided when this file is read.
INTERPRETED = tl.constexpr(os.environ.get("TRITON_INTERPRET", "0").lower() in ("1", "true", "on", "yes"))
WIDE_FROM = 2**31  # tensors of so many elements need 64-bit places


"""
CHECK = '''
def _checked(name, tensor, dtype, shape, like):
    """Return `tensor` as the kernel reads it: of this dtype and shape, on the GPU of `like`, contiguous."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}")
    here = tensor.is_cuda or INTERPRETED.value
    if tensor.dtype is not dtype or tensor.shape != shape or not here or tensor.device != like.device:
        have = f"{tensor.dtype} {list(tensor.shape)} on {tensor.device}"
        where = like.device if like.is_cuda else "cuda"
        raise ValueError(f"{name}: this kernel was made for {dtype} {list(shape)} on {where}, got {have}")
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def _programs(tiles, like):
    """How many programs share `tiles`: one each, or WAVES for every multiprocessor of the GPU."""
    if not PARAMS["WAVES"] or like.device.type != "cuda":
        return tiles
    return min(tiles, PARAMS["WAVES"] * torch.cuda.get_device_properties(like.device).multi_processor_count)
'''


def module_text(
    problem: Problem, traced: Traced, inputs: Inputs, program: Program, emitted: Emitted, params: dict[str, Any],
    batch: Batch | None,
) -> str:  # fmt: skip
    """Return the text of the candidate's file; `batch` is None when every size is fixed."""
    if traced.container not in ("Tensor", "tuple", "list"):
        raise NotRowwise(f"the reference returns a {traced.container}, not a tensor or a tuple of tensors")
    model = _model_text(problem) if problem.kind == "module" else ""
    sizes = "".join(f"    {t.path.split('.', 1)[1]}: {t.dtype} {list(t.shape)}\n" for t in program.inputs)
    head = (
        f'"""{problem.name}: Triton kernels generated from the reference, made for\n\n{sizes}\n'
        f"{'The first size may vary. ' if batch else ''}Forward only: the results carry no gradient. "
        'Needs torch and triton, nothing else.\n"""\n\nfrom __future__ import annotations\n\n'
        "import os\n\nimport torch\nimport triton\nimport triton.language as tl\n"
        "from triton.language.extra import libdevice\n"
    )
    entry = _entry_text(problem, traced, inputs, program, emitted, batch)
    text = f"{head}{model}\nPARAMS = {params!r}\n{HEAD}{emitted.text}\n\n{CHECK}\n\n{entry}"
    ast.parse(text)
    return text


def _model_text(problem: Problem) -> str:
    """The problem's own source, for the constructor and the parameters; its input makers are left out."""
    tree = ast.parse(problem.source)
    names = {n.name for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    assert problem.reference is not None
    if problem.reference.__name__ not in names:
        raise NotRowwise(f"the problem's source does not define {problem.reference.__name__}")
    taken = names | {t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
    ours = {n for n in taken if n in NEEDED or n.startswith("_")}
    if ours:
        raise NotRowwise(f"the problem's source uses the name {sorted(ours)[0]}, which the candidate needs")
    kept = _with_decorators([n for n in tree.body if not _left_out(n)])
    texts = [ast.get_source_segment(problem.source, n) or "" for n in kept]
    imports = [t for n, t in zip(kept, texts, strict=True) if isinstance(n, ast.Import | ast.ImportFrom)]
    rest = [t for n, t in zip(kept, texts, strict=True) if not isinstance(n, ast.Import | ast.ImportFrom)]
    have = ("import torch", "import triton", "import triton.language as tl", "import os")
    return "\n".join(t for t in imports if t not in have) + "\n\n" + "\n\n\n".join(rest) + "\n\n"


def _entry_text(
    problem: Problem, traced: Traced, inputs: Inputs, program: Program, emitted: Emitted, batch: Batch | None
) -> str:  # fmt: skip
    """The public entry: a class `ModelNew`, or a function of the reference's name."""
    header = _header(list(signature_of(problem).parameters.values()), list(inputs.args))
    names = dict(zip(inputs.args, header, strict=False))
    given = ", ".join(header.values())
    itself = "self.forward" if problem.kind == "module" else entry_name(problem)
    elsewhere = [
        'if like.device.type == "cuda" and like.device.index != torch.cuda.current_device():',
        "    with torch.cuda.device(like.device):  # kernels go to the current GPU",
        f"        return {itself}({', '.join(header)})",
    ]
    body = _body(traced, inputs, program, emitted, batch, names, elsewhere)
    assert problem.reference is not None
    if problem.kind == "module":
        lines = [f"class ModelNew({problem.reference.__name__}):", f"    def forward(self, {given}):"]
        return "\n".join(lines + ["        " + line for line in body]) + "\n"
    return "\n".join([f"def {entry_name(problem)}({given}):", *("    " + line for line in body)]) + "\n"


def _body(
    traced: Traced, inputs: Inputs, program: Program, emitted: Emitted, batch: Batch | None, names: dict[str, str],
    elsewhere: list[str],
) -> list[str]:  # fmt: skip
    lines = []
    for name, value in inputs.args.items():
        if f"args.{name}" not in traced.paths:
            shown = names[name]
            lines += [f"if {shown} != {value!r}:" if value is not None else f"if {shown} is not None:"]
            lines += [f'    raise ValueError(f"{shown}: this kernel was made for {value!r}, got {{{shown}!r}}")']
    if not program.inputs:
        raise NotRowwise("no tensor goes in, which would say on which device to work")
    like = next((t for t in program.inputs if t.path.startswith("args.")), program.inputs[0])
    lines.append(f"like = {_access(like.path, names)}")
    if batch:
        first = next(t for t in program.inputs if t.path in batch.paths)
        lines.append(f"batch = len({names[first.path.removeprefix('args.')]})")
    for tensor in program.inputs:
        shape = _shape(tensor.shape, batch if batch and tensor.path in batch.paths else None)
        shown = tensor.path.split(".", 1)[1]
        source = _access(tensor.path, names)
        lines.append(f'{tensor.name} = _checked("{shown}", {source}, torch.{tensor.dtype}, {shape}, like)')
    lines += elsewhere
    for tensor in program.outputs:
        shape = _shape(tensor.shape, batch)
        lines.append(f"{tensor.name} = torch.empty({shape}, dtype=torch.{tensor.dtype}, device=like.device)")
    per_batch = program.rows // batch.size if batch else 0
    lines.append(
        "rows = " + (str(program.rows) if not batch else "batch" if per_batch == 1 else f"batch * {per_batch}")
    )
    if batch:
        lines += ["if rows == 0:", f"    {_result(traced, program.outputs)}"]
    lines += _launches(program, emitted)
    return [*lines, _result(traced, program.outputs)]


def _launches(program: Program, emitted: Emitted) -> list[str]:
    """The text that launches the kernels of every phase, on the GPU where the tensors are."""
    tensors = [t.name for t in (*program.inputs, *program.outputs)]
    sizes = ", ".join(f"{t}.numel()" for t in tensors)
    lines = ['tiles = triton.cdiv(rows, PARAMS["ROWS"])', "programs = _programs(tiles, like)"]
    settings = ", ".join(f'"{name}": PARAMS["{name}"]' for name in SETTINGS)
    lines += [
        f"settings = {{{settings}}}",
        f'settings |= {{"WIDE": max({sizes}) >= WIDE_FROM, "EVEN": rows % PARAMS["ROWS"] == 0}}',
        'settings |= {"num_warps": PARAMS["WARPS"]}',
    ]
    for name, dtype in emitted.scratch.items():
        count = "tiles" if name.startswith("part") else "1"
        lines.append(f"{name} = torch.empty({count}, dtype=torch.{dtype}, device=like.device)")
    for kernels in emitted.phases:
        for kernel in kernels:
            if kernel.role == "ends":
                arguments = ", ".join([*tensors, *kernel.scratch, "tiles"])
                lines.append(f"{kernel.name}[(1,)]({arguments}, BLOCK=4096, num_warps=16)")
        rows = [k for k in kernels if k.role != "ends"]
        if rows:
            at = len(lines) - sum(k.role == "ends" for k in kernels)
            lines[at:at] = _row_launch(tensors, rows)
    return lines


def _row_launch(tensors: list[str], kernels: list[Kernel]) -> list[str]:
    arguments = ", ".join([*tensors, *kernels[0].scratch, "rows"])
    if kernels[0].role == "flat":
        grid = f'(tiles * triton.cdiv({kernels[0].width}, PARAMS["BLOCK"]),)'
        return [f"{kernels[0].name}[{grid}]({arguments}, **settings)"]
    whole, looped = kernels
    return [
        f'kernel = {looped.name} if PARAMS["LOOP"] else {whole.name}',
        f"kernel[(programs,)]({arguments}, **settings)",
    ]
