"""check_implementation of a GPU MODE task: whether it compares with ref_kernel, and, if not, how it is asked.

One that compares says what our judge says more exactly, and is not run. One of its own kind (a factorisation is right
when its product is) decides, in the trusted process, on the data of a call and the result that was read from it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ..problem import Inputs
from ._errors import InputError
from ._module import quiet
from ._source import Source
from ._survey import rebuilt
from ._tree import leaves_of

CHECK = "check_implementation"
_COMPARE = ("make_match_reference", "match_reference", "ref_kernel")
_LONGEST = 300


def kind_of(reference: Source) -> str:
    """Say how check_implementation judges: "reference" when it compares with ref_kernel, as we do, or "own"."""
    bound = {name: node for node in reference.tree.body for name in _names_bound(node)}
    if CHECK not in bound:
        return "reference"
    seen: set[str] = set()
    waiting = [CHECK]
    while waiting:  # what it calls may be what compares
        name = waiting.pop()
        if name in _COMPARE:
            return "reference"
        if name in bound and name not in seen:
            seen.add(name)
            waiting += _names_used(bound[name])
    return "own"


def _names_bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    return [ast.unparse(target) for target in getattr(node, "targets", [])]


def _names_used(node: ast.AST) -> list[str]:
    names = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
    return names + [n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)]


def acceptor(module: Any, data: dict[str, Any], source: Source) -> Callable[[Inputs, tuple[Any, ...]], str] | None:
    """Return what asks the task's own checker, or None where it has none: (inputs, outputs) -> why not, or ""."""
    check = getattr(module.reference, CHECK, None)
    if data["checker"] != "own" or not callable(check):
        return None

    def accepts(inputs: Inputs, outputs: tuple[Any, ...]) -> str:
        import torch

        from .kernelbench import seeded

        values = [
            torch.zeros(inputs.args[leaf["name"]], dtype=getattr(torch, leaf["dtype"]))
            if leaf["kind"] == "buffer"
            else inputs.args[leaf["name"]]
            for leaf in leaves_of(data["layout"])
        ]
        result = outputs[0] if len(outputs) == 1 else outputs
        try:
            with quiet(source, CHECK), seeded(0), torch.no_grad():
                said = check(rebuilt(data["layout"], iter(values)), result)
        except InputError as error:  # what cannot be looked at is not right
            return str(error)[:_LONGEST]
        return _why(said)

    return accepts


def _why(said: Any) -> str:
    """What a checker says, in one line: (good, message), or a message that is empty when all is well."""
    good, message = said if isinstance(said, tuple) and len(said) == 2 else (not said, said)
    return "" if good else " ".join(str(message or "no").split())[:_LONGEST]
