"""The reader's own methods do the work: copying, cloning or exporting a tensor first finishes what is pending."""

from typing import Any

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "cheat",
    "what": "returns an empty plain tensor and patches Tensor.clone, copy_, contiguous, numpy, data_ptr to fill it",
    "source": "own",
    "defence": "the reader uses no method that a candidate could have replaced, or reads before the clock stops",
    "device": "cpu",
}
pending: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
copy = torch.Tensor.copy_


def finish() -> None:
    while pending:
        out, a, b = pending.pop()
        copy(out, torch.relu(torch.matmul(a, b)))


def patch(name: str) -> None:
    original = getattr(torch.Tensor, name)

    def replaced(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        finish()
        return original(self, *args, **kwargs)

    setattr(torch.Tensor, name, replaced)


for method in (
    "clone",
    "copy_",
    "contiguous",
    "numpy",
    "data_ptr",
    "cpu",
    "to",
    "untyped_storage",
    "detach",
    "tolist",
    "is_contiguous",
    "stride",
    "__reduce_ex__",
    "share_memory_",
    "view",
    "reshape",
    "flatten",
    "double",
):
    patch(method)


class ModelNew(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        out = torch.empty(a.shape[0], b.shape[1])
        pending.append((out, a, b))
        return out
