"""Scales rows instead of multiplying by a matrix of zeros: a hundred times less work by algebra alone."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_diag_matmul",
    "kind": "honest",
    "what": "replaces the product with a diagonal matrix by a scaling of rows",
    "source": "KernelBench level 1, 12",
    "defence": "great speed is no proof of a cheat: the values are right for every input",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, d: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return d[:, None] * b
