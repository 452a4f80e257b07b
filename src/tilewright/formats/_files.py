"""Several Python files kept as text, run as modules that import each other by name, and nothing written to disk.

Text that asks for a CUDA device runs on the CPU where there is no GPU: a reference must be right anywhere.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from ..schema import content_digest
from ..syntax import tree_of

_LOCK = threading.RLock()
_CUDA = re.compile(r"cuda(:\d+)?")
_WAITS = {"torch.cuda.synchronize", "torch.cuda.set_device", "torch.cuda.empty_cache"}


def load_files(files: Mapping[str, str], main: str) -> ModuleType:
    """Run the module `main` of `files` ("utils.py" -> text) and return it; the names are free again afterwards."""
    names = {name.removesuffix(".py").replace("/", ".") for name in files}
    finder = _Finder(files)
    with _LOCK:
        kept = {n: sys.modules.pop(n) for n in names if n in sys.modules}
        sys.meta_path.insert(0, finder)
        try:
            return import_module(main)
        finally:
            sys.meta_path.remove(finder)
            for name in names:
                sys.modules.pop(name, None)
            sys.modules.update(kept)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self.folder = f"tilewright_files_{content_digest(*(p for item in sorted(files.items()) for p in item))}"

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if f"{name.replace('.', '/')}.py" not in self.files:
            return None
        return importlib.util.spec_from_loader(name, self)

    def exec_module(self, module: ModuleType) -> None:
        file = f"{module.__name__.replace('.', '/')}.py"
        text, path = self.files[file], f"{self.folder}/{file}"
        module.__file__ = path
        linecache.cache[path] = (len(text), None, text.splitlines(True), path)
        exec(compile(on_this_machine(tree_of(text, path)), path, "exec"), module.__dict__)


def on_this_machine(tree: ast.Module) -> ast.Module:
    """Return `tree` with CUDA devices replaced by the CPU, where this machine has none."""
    import torch

    return tree if torch.cuda.is_available() else ast.fix_missing_locations(_OnCpu().visit(tree))


class _OnCpu(ast.NodeTransformer):
    """ "cuda" becomes "cpu", x.cuda() becomes x.cpu(), and waiting for a device becomes nothing."""

    def visit_Constant(self, node: ast.Constant) -> Any:  # noqa: N802
        if isinstance(node.value, str) and _CUDA.fullmatch(node.value):
            return ast.copy_location(ast.Constant("cpu"), node)
        return node

    def visit_Call(self, node: ast.Call) -> Any:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute):
            if ast.unparse(node.func) in _WAITS:
                return ast.copy_location(ast.Constant(None), node)
            if node.func.attr == "cuda" and not isinstance(node.func.value, ast.Constant):
                node.func.attr, node.args, node.keywords = "cpu", [], []
        return node
