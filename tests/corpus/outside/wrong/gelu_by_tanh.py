"""The tanh form of GELU where the exact one is due."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_linear_gelu",
    "kind": "wrong",
    "what": "approximates GELU by tanh, off by up to 5e-4",
    "source": "own",
    "defence": "a tolerance from the rounding error, far under 1e-4",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inside, outside)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.gelu(self.linear(x), approximate="tanh")
