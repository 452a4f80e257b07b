"""GELU by the complementary error function, which keeps its digits in the negative tail."""

import math

import torch
from torch import nn

CORPUS = {
    "problem": "outer_linear_gelu",
    "kind": "honest",
    "what": "0.5 x erfc(-x / sqrt 2): differs from the reference where that one cancels",
    "source": "own",
    "defence": "the truth is the float64 result, not the reference's bits",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inside, outside)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(x)
        return 0.5 * hidden * torch.erfc(hidden * -math.sqrt(0.5))
