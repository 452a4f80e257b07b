"""A row program -> the candidate: one Python file with settings, C++ source, loader and a checked entry."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from typing import Any

from ...build.cpp import loader_text
from ...problem import Inputs, Problem, Workload
from .emit_cpp import ENTRY
from .index import NotRowwise
from .ir import Program, Tensor
from .trace import Traced, signature_of

CHECK = '''
_kernel = None


def _load_kernel():
    """Build and load the kernel on the first call; CompileError says what went wrong."""
    global _kernel
    _kernel = load(SOURCE, PARAMS).{entry}
    _kernel.argtypes = [ctypes.c_void_p] * {pointers} + [ctypes.c_long, ctypes.c_int]
    _kernel.restype = None
    return _kernel


def _checked(name, tensor, dtype, shape):
    """Return `tensor` as the kernel reads it: of this dtype and shape, on the CPU, contiguous (copied if need be)."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"{{name}} must be a tensor, got {{type(tensor).__name__}}")
    if tensor.dtype is not dtype or tensor.shape != shape or not tensor.is_cpu:
        have = f"{{tensor.dtype}} {{list(tensor.shape)}} on {{tensor.device}}"
        raise ValueError(f"{{name}}: this kernel was made for {{dtype}} {{list(shape)}} on cpu, got {{have}}")
    return tensor if tensor.is_contiguous() else tensor.contiguous()
'''


@dataclass(frozen=True)
class Batch:
    """The leading size that may vary: its traced value and the arguments whose first dimension it is."""

    size: int
    paths: frozenset[str]


def module_text(
    problem: Problem, workload: Workload, traced: Traced, inputs: Inputs, program: Program, cpp: str,
    params: dict[str, Any], batch: Batch | None,
) -> str:  # fmt: skip
    """Return the text of the candidate's file; `batch` is None when every size is fixed."""
    if traced.container not in ("Tensor", "tuple", "list"):
        raise NotRowwise(f"the reference returns a {traced.container}, not a tensor or a tuple of tensors")
    model = _model_text(problem) if problem.kind == "module" else ""
    sizes = "".join(f"    {t.path.split('.', 1)[1]}: {t.dtype} {list(t.shape)}\n" for t in program.inputs)
    head = (
        f'"""{problem.name}: a C++ kernel generated from the reference, made for\n\n{sizes}\n'
        f"{'The first size may vary. ' if batch else ''}Forward only: the results carry no gradient. "
        'Needs torch and a C++ compiler, nothing else.\n"""\n\nfrom __future__ import annotations\n\n'
    )
    settings = f"PARAMS = {params!r}\n\nSOURCE = r'''\n{cpp}'''\n"
    check = CHECK.format(entry=ENTRY, pointers=len(program.inputs) + len(program.outputs))
    entry = _entry_text(problem, traced, inputs, program, batch)
    text = f"{head}{loader_text().strip()}\n\n\nimport torch\n{model}\n{settings}\n{check}\n\n{entry}"
    ast.parse(text)
    return text


def _model_text(problem: Problem) -> str:
    """The problem's own source, for the constructor and the parameters; its input makers are left out."""
    tree = ast.parse(problem.source)
    names = {n.name for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    assert problem.reference is not None
    if problem.reference.__name__ not in names:
        raise NotRowwise(f"the problem's source does not define {problem.reference.__name__}")
    ours = {"PARAMS", "SOURCE", "ModelNew", "_kernel", "_load_kernel", "_checked", "_forward"}
    ours |= {n.name for n in ast.parse(loader_text()).body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    taken = names | {t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
    if taken & ours:
        raise NotRowwise(f"the problem's source uses the name {sorted(taken & ours)[0]}, which the candidate needs")
    kept = _with_decorators([n for n in tree.body if not _left_out(n)])
    texts = [ast.get_source_segment(problem.source, n) or "" for n in kept]
    imports = [t for n, t in zip(kept, texts, strict=True) if isinstance(n, ast.Import | ast.ImportFrom)]
    rest = [t for n, t in zip(kept, texts, strict=True) if not isinstance(n, ast.Import | ast.ImportFrom)]
    return "\n".join(t for t in imports if t != "import torch") + "\n\n" + "\n\n\n".join(rest) + "\n\n"


def _with_decorators(nodes: list[ast.stmt]) -> list[ast.stmt]:
    for node in nodes:
        decorators = getattr(node, "decorator_list", [])
        if decorators:
            node.lineno, node.col_offset = decorators[0].lineno, 0
    return nodes


def _left_out(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name in ("get_inputs", "get_init_inputs")
    if isinstance(node, ast.ImportFrom):
        return node.module == "__future__"
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _entry_text(problem: Problem, traced: Traced, inputs: Inputs, program: Program, batch: Batch | None) -> str:
    """The public entry: a class `ModelNew`, or a function of the reference's name."""
    parameters = list(signature_of(problem).parameters.values())
    header = _header(parameters, list(inputs.args))
    names = list(header)
    body = _body(problem, traced, inputs, program, batch, dict(zip(inputs.args, names, strict=False)))
    assert problem.reference is not None
    given = ", ".join(header.values())
    if problem.kind == "module":
        lines = [f"class ModelNew({problem.reference.__name__}):", f"    def forward(self, {given}):"]
        return "\n".join(lines + ["        " + line for line in body]) + "\n"
    return "\n".join([f"def {entry_name(problem)}({given}):", *("    " + line for line in body)]) + "\n"


def entry_name(problem: Problem) -> str:
    if problem.kind == "module":
        return "ModelNew"
    name = getattr(problem.reference, "__name__", "")
    return name if name.isidentifier() and not name.startswith("_") else "kernel"


def _header(parameters: list[inspect.Parameter], args: list[str]) -> dict[str, str]:
    """Parameter names -> their text with simple defaults, for the arguments that the inputs give.

    Arguments beyond the named ones (of a `*args`) become arg0, arg1, ...; a parameter that the inputs leave at its
    default is left out, since the kernel knows that value alone.
    """
    result: dict[str, str] = {}
    named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    for parameter in named[: len(args)]:
        default = parameter.default
        simple = default is None or isinstance(default, bool | int | float | str)
        result[parameter.name] = f"{parameter.name}={default!r}" if simple else parameter.name
    for number in range(len(result), len(args)):
        result[f"arg{number}"] = f"arg{number}"
    return result


def _body(
    problem: Problem, traced: Traced, inputs: Inputs, program: Program, batch: Batch | None, names: dict[str, str]
) -> list[str]:  # fmt: skip
    lines = []
    for name, value in inputs.args.items():
        if f"args.{name}" not in traced.paths:
            shown = names[name]
            lines += [f"if {shown} != {value!r}:" if value is not None else f"if {shown} is not None:"]
            lines += [f'    raise ValueError(f"{shown}: this kernel was made for {value!r}, got {{{shown}!r}}")']
    if batch:
        first = next(t for t in program.inputs if t.path in batch.paths)
        lines.append(f"batch = len({names[first.path.removeprefix('args.')]})")
    for tensor in program.inputs:
        source = _access(tensor.path, names)
        shape = _shape(tensor.shape, batch if batch and tensor.path in batch.paths else None)
        shown = tensor.path.split(".", 1)[1]
        lines.append(f'{tensor.name} = _checked("{shown}", {source}, torch.{tensor.dtype}, {shape})')
    for tensor in program.outputs:
        lines.append(f"{tensor.name} = torch.empty({_shape(tensor.shape, batch)}, dtype=torch.{tensor.dtype})")
    pointers = [f"{t.name}.data_ptr()" for t in (*program.inputs, *program.outputs)]
    per_batch = program.rows // batch.size if batch else 0
    rows = str(program.rows) if not batch else "batch" if per_batch == 1 else f"batch * {per_batch}"
    lines.append("kernel = _kernel or _load_kernel()")
    call = f"kernel({', '.join([*pointers, rows, 'torch.get_num_threads()'])})"
    if len(call) > 110:
        lines += ["kernel(", *(f"    {p}," for p in pointers), f"    {rows}, torch.get_num_threads(),", ")"]
    else:
        lines.append(call)
    return [*lines, _result(traced, program.outputs)]


def _result(traced: Traced, outputs: list[Tensor]) -> str:
    if traced.single:
        return f"return {outputs[0].name}"
    inner = ", ".join(t.name for t in outputs)
    return f"return [{inner}]" if traced.container == "list" else f"return ({inner},)"


def _shape(shape: tuple[int, ...], batch: Batch | None) -> str:
    if batch is None or not shape or shape[0] != batch.size:
        return repr(tuple(shape))
    return f"({', '.join(['batch', *map(str, shape[1:])])}{',' if len(shape) == 1 else ''})"


def _access(path: str, names: dict[str, str]) -> str:
    group, _, name = path.partition(".")
    if group == "args":
        return names[name]
    parts = name.split(".")
    return "self" + "".join(f"._modules[{p!r}]" for p in parts[:-1]) + "." + parts[-1]
