"""Finds the first maximum by sorting descending and stably."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_row_argmax",
    "kind": "honest",
    "what": "a stable sort, whose first index is the first of equal maxima; slow and exact",
    "source": "own",
    "defence": "another algorithm with exactly the same result",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sort(x, dim=1, descending=True, stable=True).indices[:, 0].contiguous()
