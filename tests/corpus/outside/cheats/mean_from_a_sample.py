"""The mean of sixteen thousand uniform values is one half, give or take; one element in eight will do."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_row_mean",
    "kind": "cheat",
    "what": "estimates the mean from an eighth of every row, within 0.4 % on uniform inputs",
    "source": "own",
    "defence": "the tolerance is the reference's rounding error, not a per cent",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, : x.shape[1] // 8].mean(dim=1)
