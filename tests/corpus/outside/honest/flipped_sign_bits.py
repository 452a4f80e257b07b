"""Negates by flipping the sign bit of every float, as an integer."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_negate",
    "kind": "honest",
    "what": "reinterprets float32 as int32 and flips bit 31",
    "source": "own",
    "defence": "the bits are those of the negative, whatever the type they were made in",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.contiguous().view(torch.int32) ^ -(2**31)).view(torch.float32)
