"""The running sum as the total minus what comes after, which cancels at the start of every row."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_prefix_sum",
    "kind": "wrong",
    "what": "computes every prefix as the total minus the suffix, so that small prefixes carry the error of the whole",
    "source": "own",
    "defence": "a tolerance from the rounding error; rows with one huge element",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = x.sum(dim=1, keepdim=True)
        after = x.flip(1).cumsum(dim=1).flip(1) - x
        return total - after
