"""Allocates its output once: every call overwrites the result of the call before."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "wrong",
    "what": "returns the same tensor from every call",
    "source": "own",
    "defence": "an output is looked at again after the next call",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out: torch.Tensor | None = None

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if self.out is None:
            self.out = torch.empty(a.shape[0], b.shape[1])
        torch.matmul(a, b, out=self.out)
        return self.out.relu_()
