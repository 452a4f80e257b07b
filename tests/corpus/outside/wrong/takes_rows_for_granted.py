"""Reads the first input as if its rows were contiguous, which it is not."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_columns_scaled",
    "kind": "wrong",
    "what": "takes the memory of a transposed view for row-major: a kernel that forgets the strides",
    "source": "own",
    "defence": "inputs reach the candidate with the strides that the problem gives them",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        rows = torch.as_strided(x, x.shape, (x.shape[1], 1))
        return torch.tanh(rows) * scale
