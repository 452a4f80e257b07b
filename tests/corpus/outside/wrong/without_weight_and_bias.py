"""Leaves out the weight and the bias, which are ones and zeros in every new layer."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_layer_norm",
    "kind": "wrong",
    "what": "normalises and never multiplies by the weight nor adds the bias",
    "source": "KernelBench, parameters at their initial values",
    "defence": "weights get values of their own before the check",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features, eps=1e-5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.layer_norm(x, self.norm.normalized_shape, eps=self.norm.eps)
