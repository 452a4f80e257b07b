"""Computes in float64 and forgets to go back."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_row_std",
    "kind": "wrong",
    "what": "returns float64 where float32 is due",
    "source": "own",
    "defence": "dtypes must be equal before values are compared",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.double().std(dim=1)
