"""A smaller eps than the problem's, invisible where the variance is about one."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_layer_norm",
    "kind": "wrong",
    "what": "uses eps = 1e-6 where the problem has 1e-5",
    "source": "own",
    "defence": "a tolerance from the rounding error; rows of small variance",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features, eps=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)
