"""Adds eps to the standard deviation instead of the variance."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_layer_norm",
    "kind": "wrong",
    "what": "divides by sqrt(var) + eps: 5e-6 off for unit variance, all wrong for small ones",
    "source": "own",
    "defence": "a tolerance from the rounding error; rows of small variance",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features, eps=1e-5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        deviation = centred.pow(2).mean(dim=-1, keepdim=True).sqrt()
        return centred / (deviation + self.norm.eps) * self.norm.weight + self.norm.bias
