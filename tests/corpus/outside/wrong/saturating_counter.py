"""Counters that saturate below the length of their lane, which only nearly full lanes reach."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_positive_count",
    "kind": "wrong",
    "what": "counts 16 lanes of 64 in float, each saturating at 60: only nearly full lanes are wrong",
    "source": "own",
    "defence": "rows that are positive throughout",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lanes = (x > 0).view(x.shape[0], 16, -1).sum(dim=2)
        return lanes.clamp(max=60).sum(dim=1).float()
