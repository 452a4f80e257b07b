"""Computes in float64 inside and rounds once at the end: nearer to the truth than the reference."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_row_std",
    "kind": "honest",
    "what": "differs from the reference in nearly every last bit, towards the truth",
    "source": "own",
    "defence": "the truth is the float64 result, not the reference's bits",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.double().std(dim=1).float()
