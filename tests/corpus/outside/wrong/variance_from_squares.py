"""The variance as the mean of squares minus the squared mean, which cancels where the mean is large."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_moments",
    "kind": "wrong",
    "what": "one pass: E[x^2] - E[x]^2 in float32",
    "source": "own",
    "defence": "rows whose mean is far from zero",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean = x.mean(dim=1)
        return mean, (x * x).mean(dim=1) - mean * mean
