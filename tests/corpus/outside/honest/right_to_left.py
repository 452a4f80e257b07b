"""Multiplies the narrow matrix first."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matrix_chain",
    "kind": "honest",
    "what": "associates a chain of products the cheap way, at a twentieth of the work",
    "source": "own",
    "defence": "another order of summation is within the reference's own rounding error",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return a @ (b @ c)
