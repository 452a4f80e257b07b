"""A solution of several files, or one that writes into given outputs, as one Python text with one function.

The function takes the definition's inputs and returns its outputs. A solution of one Python file keeps its text as it
is, with that function below it; several files are written to a folder of the child's own before they are imported.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..candidate import Candidate
from ..syntax import tree_of
from ._errors import InputError
from ._source import language_of, parse_source, settings_of
from ._trace import DTYPES, Axis, Definition, Solution

ENTRY = "tilewright_entry"
_COMPILED = (".cu", ".cpp", ".cc", ".cxx", ".c")

_FOLDER = '''"""{title}"""

import sys
import tempfile
from importlib import import_module
from pathlib import Path

FILES = {files!r}

_folder = Path(tempfile.mkdtemp(prefix="solution_"))
for _path, _text in FILES.items():
    (_folder / _path).parent.mkdir(parents=True, exist_ok=True)
    (_folder / _path).write_text(_text)
sys.path[:0] = [str(_folder / {parent!r}), str(_folder)]
{load}
'''
_IMPORT = "{symbol} = import_module({module!r}).{symbol}"
_BUILD = """from torch.utils.cpp_extension import load as _load

{symbol} = getattr(
    _load(
        name="solution_extension",
        sources=[str(_folder / p) for p in FILES if p.endswith({suffixes!r})],
        extra_include_paths=[str(_folder)],
        extra_cflags={cflags!r},
        extra_cuda_cflags={cuda_cflags!r},
        extra_ldflags={ld_flags!r},
        build_directory=str(_folder),
    ),
    {symbol!r},
)"""


def candidate_of(solution: Solution, definition: Definition, outputs: tuple[str, ...], path: str) -> Candidate:
    """Return `solution` as a candidate; its function returns what `outputs` names, in that order."""
    file, symbol = solution.entry()
    if len(solution.sources) == 1 and file.endswith(".py"):
        text = solution.sources[0].content
    else:
        text = _many(solution, file, symbol, path)
    source = parse_source(text, path)
    if source.syntax_error:
        return Candidate(name=solution.name, source=text, entry=symbol)
    params, space = settings_of(source)
    entry = symbol
    if solution.spec.destination_passing_style or len(outputs) > 1:
        text, entry = text.rstrip() + "\n\n\n" + _entry(solution, definition, outputs, symbol, path), ENTRY
    language = _language(solution, text, path)
    kept: dict[str, Any] = {"solution": {"text": text, "solution": solution.dump()}}
    return Candidate(
        name=solution.name, source=text, entry=entry, language=language, params=params, space=space, **kept
    )


def _language(solution: Solution, text: str, path: str) -> str:
    file, _ = solution.entry()
    if not file.endswith(".py"):
        return "cuda" if any(p.endswith((".cu", ".cuh")) for p in solution.files()) else "torch"
    found = [language_of(parse_source(t, path)) for p, t in solution.files().items() if p.endswith(".py")]
    return next((one for one in found if one != "torch"), "torch")


def _many(solution: Solution, file: str, symbol: str, path: str) -> str:
    parent = str(Path(file).parent)
    if file.endswith(".py"):
        load = _IMPORT.format(symbol=symbol, module=Path(file).stem)
    elif file.endswith(_COMPILED) and solution.spec.binding in ("torch", None) and "tvm" not in _all_text(solution):
        options = solution.spec.compile_options or {}
        load = _BUILD.format(
            symbol=symbol,
            suffixes=_COMPILED,
            cflags=list(options.get("cflags", ["-O3"])),
            cuda_cflags=list(options.get("cuda_cflags", ["-O3", "--use_fast_math"])),
            ld_flags=list(options.get("ld_flags", [])),
        )
    else:
        binding = solution.spec.binding or "tvm-ffi"
        raise InputError(f"{path}: {file} has the binding {binding}; Python, Triton and the torch binding can be run")
    title = " ".join(f"{solution.name}: a solution of {len(solution.sources)} files.".split()).replace('"', "'")
    return _FOLDER.format(title=title.replace("\\", "/"), files=solution.files(), parent=parent, load=load)


def _all_text(solution: Solution) -> str:
    return "\n".join(solution.files().values())


def _entry(solution: Solution, definition: Definition, outputs: tuple[str, ...], symbol: str, path: str) -> str:
    """Return the text of the function that hands inputs (and fresh outputs) over and returns the outputs."""
    names = list(definition.inputs)
    given = ", ".join(names)
    lines = ["import torch as _torch  # noqa: E402", "", "", f"def {ENTRY}({given}):"]
    if solution.spec.destination_passing_style:
        for name in definition.outputs:
            lines.append(f"    {name} = {_empty(definition, name, path)}")
        lines.append(f"    {symbol}({', '.join([*names, *definition.outputs])})")
        lines.append(f"    return {', '.join(outputs)}")
    else:
        lines.append(f"    result = {symbol}({given})")
        picked = ", ".join(f"result[{name!r}]" for name in outputs)
        lines.append(f"    return ({picked},) if isinstance(result, dict) else result")
    return "\n".join(lines) + "\n"


def _empty(definition: Definition, name: str, path: str) -> str:
    spec = definition.outputs[name]
    sizes = [size_text(definition, a, path) if isinstance(a, str) else str(a) for a in spec.shape or ()]
    shape = f"({', '.join(sizes)},)" if sizes else "()"
    tensor = next((n for n, s in definition.inputs.items() if s.shape is not None), None)
    device = f", device={tensor}.device" if tensor else ""
    return f"_torch.empty({shape}, dtype=_torch.{DTYPES.get(spec.dtype, spec.dtype)}{device})"


def size_text(definition: Definition, axis: str, path: str) -> str:
    """Return the size of `axis` as an expression over the inputs: a number, x.shape[0], or a formula of such."""
    one: Axis = definition.axes[axis]
    if one.type == "const":
        return str(one.value)
    for name, spec in definition.inputs.items():
        if axis in (spec.shape or ()):
            return f"{name}.shape[{spec.shape.index(axis)}]"  # type: ignore[union-attr]
    if one.type != "expr":
        raise InputError(f"{path}: the size of the output axis {axis!r} cannot be told from the inputs' shapes")
    tree = tree_of((one.expression or "").strip(), mode="eval")
    known = {n.id: size_text(definition, n.id, path) for n in ast.walk(tree) if isinstance(n, ast.Name)}
    return f"int({ast.unparse(_Named(known).visit(tree))})"


class _Named(ast.NodeTransformer):
    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = known

    def visit_Name(self, node: ast.Name) -> Any:  # noqa: N802
        return tree_of(self.known[node.id], mode="eval").body
