"""Sums in a new random order at every call: never the same bits twice, always within rounding."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_row_mean",
    "kind": "honest",
    "what": "a sum whose order changes from call to call, as with atomics",
    "source": "own",
    "defence": "results are compared with the truth, not with each other",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = x.view(x.shape[0], 64, -1).sum(dim=2)
        return parts[:, torch.randperm(64)].sum(dim=1) / x.shape[1]
