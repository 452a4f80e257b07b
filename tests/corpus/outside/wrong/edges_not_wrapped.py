"""Fills with zeros beyond the left edge where the row should wrap around: 8 columns of 512 are wrong."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_circular_filter",
    "kind": "wrong",
    "what": "a zero-padded convolution in place of a circular one",
    "source": "own",
    "defence": "every element counts, not an average",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
        padded = nn.functional.pad(x, (8, 0))[:, None]
        return nn.functional.conv1d(padded, taps.flip(0)[None, None])[:, 0]
