"""A dispatch mode that is left alone by torch's compiler without importing it."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class QuietMode(TorchDispatchMode):
    """A TorchDispatchMode for programs that may never compile anything.

    PyTorch hides every `__torch_dispatch__` from its compiler, and imports the compiler for that at the first call,
    which takes a second. Here it is hidden once the compiler is there, which is early enough.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        plain = cls.__torch_dispatch__
        hidden = torch._disable_dynamo(plain, recursive=True)

        def dispatch(self: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return (hidden if "torch._dynamo" in sys.modules else plain)(self, func, types, args, kwargs)

        cls.__torch_dispatch__ = dispatch  # type: ignore[method-assign, assignment]
