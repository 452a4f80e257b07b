"""Keeps a transposed copy of the weight, and compares it with the weight at every call before using it."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_linear_gelu",
    "kind": "honest",
    "what": "caches a weight in another layout and checks every element for change",
    "source": "own",
    "defence": "a cache that notices every change is right",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inside, outside)
        self.packed: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.linear.weight.detach()
        if self.packed is None or not torch.equal(self.packed.t(), weight):
            self.packed = weight.t().contiguous()
        return nn.functional.gelu(torch.addmm(self.linear.bias.detach(), x, self.packed))
