"""Returns a promise: a tensor subclass that computes when somebody looks at it."""

from typing import Any

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "cheat",
    "what": "returns a tensor subclass that multiplies only when an operator touches it",
    "source": "wafer.ai field guide, lazy evaluation",
    "defence": "outputs are plain tensors, read inside the timed part",
    "device": "cpu",
}


class Promise(torch.Tensor):
    factors: tuple[torch.Tensor, torch.Tensor] | None = None

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            for arg in args:
                if isinstance(arg, Promise) and arg.factors is not None:
                    a, b = arg.factors
                    arg.factors = None
                    arg.copy_(torch.relu(torch.matmul(a, b)))
            return func(*args, **(kwargs or {}))


class ModelNew(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        out = torch.empty(a.shape[0], b.shape[1]).as_subclass(Promise)
        out.factors = (a, b)
        return out
