"""Which module an operator is called in: every call of a torch.nn.Module is annotated in the trace, and described.

Hooks that hold for all modules are set while something is profiled, and removed after. A module is named by its place
in the outermost module around it: "layers.3.norm". What torch.compile traces is left alone.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from .calls import MODULE

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Site:
    """A module with the shapes that it is called with. `leaf` says that no other module is inside; `read_bytes` are its
    inputs, parameters and buffers, each once, `written_bytes` its outputs; what is both, because the module returns an
    input or a view of it, is not written."""

    path: str
    kind: str
    leaf: bool
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    read_bytes: int
    written_bytes: int

    @property
    def pattern(self) -> str:
        """The path with every number replaced: "layers.*.norm"."""
        return re.sub(r"(?<![^.])\d+(?![^.])", "*", self.path)

    @property
    def kin(self) -> tuple[object, ...]:
        """What the sites of one row have in common: all but the number of the layer."""
        return self.kind, self.pattern, self.shapes, self.dtypes, self.read_bytes, self.written_bytes


class ModuleWatch:
    """Annotates the calls of all modules while it is entered. `sites` lists the modules by shape, `of_call` gives for
    each call of a module, by its number, the index of its site; `seen` keeps, where `keep` asks for them, a module
    without modules inside for each kind of site, with the arguments of its first call."""

    def __init__(self, keep: bool = False) -> None:
        self.sites: list[Site] = []
        self.of_call: list[int] = []
        self.seen: dict[int, tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any]]] = {}
        self._keep = keep
        self._kept: set[tuple[object, ...]] = set()
        self._lock = threading.Lock()
        self._index: dict[tuple[Any, ...], int] = {}
        self._roots: dict[int, tuple[torch.nn.Module, dict[int, str]]] = {}
        self._thread = threading.local()
        self._hooks: list[Any] = []

    def __enter__(self) -> Self:
        from torch.nn.modules import module

        self._hooks = [
            module.register_module_forward_pre_hook(self._before),
            module.register_module_forward_hook(self._after, with_kwargs=True, always_call=True),
        ]
        return self

    def __exit__(self, *error: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _before(self, module: torch.nn.Module, args: tuple[Any, ...]) -> None:
        import torch

        if torch.compiler.is_compiling():
            return
        with self._lock:
            number = len(self.of_call)
            self.of_call.append(-1)
        mark = torch.profiler.record_function(f"{MODULE}{number}")
        self._open().append((module, number, mark))
        mark.__enter__()

    def _after(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        import torch

        opened = self._open()
        if torch.compiler.is_compiling() or not any(one is module for one, _, _ in opened):
            return
        while opened:  # a module inside that raised may have been left open
            one, number, mark = opened.pop()
            mark.__exit__(None, None, None)
            if one is module:
                break
        self.of_call[number] = self._site(module, opened[0][0] if opened else module, args, kwargs, out)

    def _open(self) -> list[tuple[torch.nn.Module, int, Any]]:
        if not hasattr(self._thread, "opened"):
            self._thread.opened = []
        return self._thread.opened

    def _site(
        self, module: torch.nn.Module, root: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any
    ) -> int:
        inputs = _tensors((args, kwargs))
        shapes, dtypes = tuple(tuple(t.shape) for t in inputs), tuple(_dtype(t) for t in inputs)
        key = (id(module), type(module), shapes, dtypes)  # an id may come again, of a module that was made for one call
        if key not in self._index:
            state = [*module.parameters(), *module.buffers()]
            places = {t.untyped_storage()._cdata for t in inputs}
            made = {t.untyped_storage()._cdata: t for t in _tensors(out)}
            self._index[key] = len(self.sites)
            self.sites.append(
                Site(
                    path=self._path(module, root),
                    kind=type(module).__name__,
                    leaf=next(module.children(), None) is None,
                    shapes=shapes,
                    dtypes=dtypes,
                    read_bytes=sum(_bytes(t) for t in {id(t): t for t in (*inputs, *state)}.values()),
                    written_bytes=sum(_bytes(t) for place, t in made.items() if place not in places),
                )
            )
            self._remember(self._index[key], module, args, kwargs)
        return self._index[key]

    def _remember(self, index: int, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        site = self.sites[index]
        if self._keep and site.leaf and site.kin not in self._kept:
            self._kept.add(site.kin)
            self.seen[index] = (module, args, kwargs)

    def _path(self, module: torch.nn.Module, root: torch.nn.Module) -> str:
        if id(root) not in self._roots:
            self._roots[id(root)] = (root, {id(m): name for name, m in root.named_modules()})
        return self._roots[id(root)][1].get(id(module), "")


def _tensors(value: Any) -> list[torch.Tensor]:
    import torch
    from torch.utils._pytree import tree_leaves

    return [t for t in tree_leaves(value) if isinstance(t, torch.Tensor) and t.layout is torch.strided]


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
