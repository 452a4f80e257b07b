"""GPU MODE folders: task.yml, reference.py (generate_input, ref_kernel, check_implementation) and submission.py.

Generator, reference and checker run in the trusted process, only `custom_kernel` in the child. The object that
generate_input makes is taken apart into arguments, and put together again in front of custom_kernel. A tensor that is
only written to is made anew for each call, so that a result is never an input.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..candidate import Candidate
from ..problem import Inputs, Problem, Workload
from ._checker import acceptor, kind_of
from ._errors import InputError
from ._export_gpumode import gpumode_files
from ._module import quiet, run_module
from ._probe import probe
from ._source import Source, language_of, parse_source, read_source, settings_of
from ._survey import generated, survey
from ._task import Task, read_task, workloads_of
from ._trace_set import DATA, safe_name
from ._tree import Layout, leaves_of, text_of, values_of

if TYPE_CHECKING:
    import torch

__all__ = ["NAME", "bind", "holds", "is_candidate", "offers", "opens", "pose", "read_candidate", "survey", "write"]

NAME = "gpumode"
KERNEL = "custom_kernel"
ENTRY = "tilewright_entry"
_OURS = ("reference.py", "task.py", "utils.py", "eval.py", "template.py")
_TAKEN = ("reference", "torch", "_buffer", "load_files", "custom_kernel")

_HEAD = '''"""{name}: a GPU MODE problem."""

import torch

from tilewright.formats._files import load_files

FILES = {files!r}
{data_name} = {data!r}
reference = load_files(FILES, "reference")
'''
_REFERENCE = '''

def _buffer(shape, dtype, declared, *given):
    """A tensor for a result, of `dtype`, or as wide as the inputs if these are not as wide as `declared`."""
    tensors = [t for t in given if isinstance(t, torch.Tensor)]
    kinds = {{t.dtype for t in tensors if t.is_floating_point()}}
    if dtype.is_floating_point and len(kinds) == 1 and kinds != {{declared}}:
        dtype = kinds.pop()
    return torch.empty(shape, dtype=dtype, device=tensors[0].device)


def {entry}({names}):
    return reference.ref_kernel({data})
'''


@dataclass(frozen=True)
class Found:
    """A folder with a task.yml, and a submission in it or beside."""

    folder: Path
    submission: Path | None


def opens(path: Path) -> Found | None:
    folder = path if path.is_dir() else path.parent
    if not (folder / "task.yml").is_file():
        return None
    usual = folder / "submission.py"
    if path == folder or path.name in ("task.yml", "reference.py"):
        return Found(folder, usual if usual.is_file() else None)
    if path.suffix == ".py" and path.name not in _OURS and _has_kernel(read_source(path)):
        return Found(folder, path)
    return None


def holds(found: Found) -> str:
    return "both" if found.submission else "problem"


def is_candidate(source: Source, problem: Problem | None) -> bool:
    return problem is not None and problem.format == NAME and _has_kernel(source)


def pose(found: Found, target: str, wanted: str, timeout_s: float) -> Problem:
    """Return the problem of the folder, after a probe has generated and run its smallest case in its own process."""
    task = read_task(found.folder)
    path = str(found.folder / "reference.py")
    reference = parse_source(task.files["reference.py"], path)
    if reference.syntax_error:
        raise InputError(f"{path} is not valid Python: {reference.syntax_error}")
    missing = [n for n in ("generate_input", "ref_kernel") if n not in reference.functions]
    if missing:
        raise InputError(f"{path} defines no {' and no '.join(missing)}")
    seeded = "seed" in _arguments(reference, "generate_input")
    data: dict[str, Any] = {"cases": [list(c) for c in task.cases], "seeded": seeded, "names": _unpacked(reference)}
    facts = probe(parse_source(_head(task, data), path), NAME, timeout_s)
    layout = facts["layout"]
    data |= {"layout": layout, "checker": kind_of(reference), "float": facts["float"]}
    names = [leaf["name"] for leaf in leaves_of(layout)]
    entry = entry_name(task)
    text = _head(task, data) + _REFERENCE.format(
        entry=entry,
        names=", ".join(names),
        data=text_of(layout, lambda leaf: _in_reference(leaf, names, data["float"])),
    )
    problem = Problem(
        name=entry,
        format=NAME,
        source=text,
        workloads=workloads_of(task.cases, facts["float"] or facts["dtype"]),
        outputs=tuple(facts.get("output_names", ("out",))),
    )
    return bind(problem, parse_source(text, path))


def bind(problem: Problem, source: Source) -> Problem:
    """Return `problem` with its callables bound from its text; nothing is probed."""
    module = run_module(source)
    data = source.literal(DATA)

    def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
        with quiet(source, "draw"):
            made = generated(module, data, {**workload.axes, **workload.params}, generator)
            values = values_of(data["layout"], made)
        leaves = list(leaves_of(data["layout"]))
        return Inputs(args={leaf["name"]: _argument(leaf, v) for leaf, v in zip(leaves, values, strict=True)})

    accepts = acceptor(module, data, source)
    return problem.with_(reference=getattr(module, problem.name), inputs=inputs, accepts=accepts)


def _argument(leaf: Layout, value: Any) -> Any:
    import torch

    if leaf["kind"] == "buffer":
        return list(value.shape)
    return value.detach().cpu() if isinstance(value, torch.Tensor) else value


def offers(found: Found, problem: Problem) -> tuple[Candidate, ...]:
    """Return the submission at `found`."""
    return (read_candidate(read_source(found.submission), problem),) if found.submission else ()


def read_candidate(source: Source, problem: Problem) -> Candidate:
    """Return the submission of `source`, with the problem's task.py and utils.py where it imports them."""
    if source.syntax_error:
        return Candidate(name=source.name, source=source.text, entry=KERNEL)
    data = parse_source(problem.source, problem.name).literal(DATA)
    files = parse_source(problem.source, problem.name).literal("FILES")
    params, space = settings_of(source)
    text = _with_modules(source, {n: t for n, t in files.items() if n in ("task.py", "utils.py")})
    names = ", ".join(leaf["name"] for leaf in leaves_of(data["layout"]))
    tensor = next((leaf["name"] for leaf in leaves_of(data["layout"]) if leaf.get("tensor")), "")
    call = text_of(data["layout"], lambda leaf: _in_candidate(leaf, tensor))
    text = f"{text.rstrip()}\n\n\nimport torch as _torch  # noqa: E402\n\n\ndef {ENTRY}({names}):\n"
    text += f"    return {KERNEL}({call})\n"
    kept: dict[str, Any] = {"submission": {"text": text, "submission": source.text}}
    return Candidate(
        name=source.name, source=text, entry=ENTRY, language=language_of(source), params=params, space=space, **kept
    )


def write(candidate: Candidate, problem: Problem) -> dict[str, str]:
    """Return submission.py, with a task around it where the problem is of another format."""
    return gpumode_files(candidate, problem)


def _with_modules(source: Source, files: dict[str, str]) -> str:
    """Return the text of `source` with those of `files` that it imports made modules in front of it."""
    wanted = {n.split(".")[0] for node in ast.walk(source.tree) for n in _imported(node)}
    used = {name: text for name, text in files.items() if name.removesuffix(".py") in wanted}
    if "task.py" in used or "utils.py" in used:  # utils.py may import task.py, and the other way round
        used = {name: text for name, text in files.items() if name in used or name == "task.py"}
    if not used:
        return source.text
    start = _first_statement(source)
    lines = source.text.splitlines(keepends=True)
    head = "".join(f"{_made(name.removesuffix('.py'), text)}\n" for name, text in sorted(used.items()))
    return (
        "".join(lines[:start])
        + "\nimport sys as _sys\nimport types as _types\n\n"
        + head
        + "\n"
        + "".join(lines[start:])
    )


def _made(name: str, text: str) -> str:
    return (
        f"_sys.modules[{name!r}] = _module = _types.ModuleType({name!r})\n"
        f"exec(compile({text!r}, {name + '.py'!r}, 'exec'), _module.__dict__)"
    )


def _first_statement(source: Source) -> int:
    """The number of lines up to the end of the docstring and of imports from __future__."""
    end = 0
    for node in source.tree.body:
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not (future or words):
            break
        end = node.end_lineno or end
    return end


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [a.name for a in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []


def entry_name(task: Task) -> str:
    """The name of the problem and of its function: that of the folder."""
    name = safe_name(task.name)
    return f"{name}_task" if name in (*_TAKEN, "FILES", DATA) or not name.isidentifier() else name


def _head(task: Task, data: dict[str, Any]) -> str:
    return _HEAD.format(name=safe_name(task.name), files=task.files, data_name=DATA, data=data)


def _in_reference(leaf: Layout, names: list[str], declared: str) -> str:
    if leaf["kind"] == "leaf":
        return leaf["name"]
    kind = f"torch.{declared}" if declared else "None"
    return f"_buffer({leaf['name']}, torch.{leaf['dtype']}, {kind}, {', '.join(n for n in names if n != leaf['name'])})"


def _in_candidate(leaf: Layout, tensor: str) -> str:
    if leaf["kind"] == "leaf":
        return leaf["name"]
    return f"_torch.empty({leaf['name']}, dtype=_torch.{leaf['dtype']}, device={tensor}.device)"


def _has_kernel(source: Source) -> bool:
    return KERNEL in source.functions or KERNEL in source.assigned


def _arguments(source: Source, name: str) -> list[str]:
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return []


def _unpacked(reference: Source) -> list[str]:
    """The names that ref_kernel gives to the parts of its argument, where it takes it apart at once."""
    function = next(n for n in reference.tree.body if isinstance(n, ast.FunctionDef) and n.name == "ref_kernel")
    data = [a.arg for a in function.args.args][:1]
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and [node.value.id] == data:
            target = node.targets[0]
            if isinstance(target, ast.Tuple) and all(isinstance(e, ast.Name) for e in target.elts):
                found = [e.id for e in target.elts if isinstance(e, ast.Name)]
                return [f"unused{i}" if n == "_" else n + "_" * (n in _TAKEN) for i, n in enumerate(found)]
    return []
