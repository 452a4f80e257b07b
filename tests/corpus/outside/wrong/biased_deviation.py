"""Divides by n where n - 1 is due; over 4096 columns that is one part in eight thousand."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_row_std",
    "kind": "wrong",
    "what": "the population's standard deviation instead of the sample's",
    "source": "own",
    "defence": "a tolerance from the rounding error, far under 1e-4",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean(dim=1, keepdim=True)).pow(2).mean(dim=1).sqrt()
