"""Adds to an accumulator that nobody has set to zero; fresh pages are zero, used ones are not."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_circular_filter",
    "kind": "wrong",
    "what": "accumulates into torch.empty",
    "source": "own",
    "defence": "fresh memory is filled with other values before a call",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for shift in range(9):
            out += taps[shift] * torch.roll(x, shift, dims=1)
        return out
