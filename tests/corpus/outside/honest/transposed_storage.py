"""Computes the transposed product and returns it transposed: the right values in column-major order."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "honest",
    "what": "returns an output that it owns, dense, with the strides of a transposed matrix",
    "source": "own",
    "defence": "strides of an output are free where its memory is its own",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.relu(b.t() @ a.t()).t()
