"""Quantises the weight to eight bits per output channel."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_linear_gelu",
    "kind": "wrong",
    "what": "int8 weights with one scale per channel: half a per cent of error",
    "source": "own",
    "defence": "a tolerance from float32's rounding error",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inside, outside)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.linear.weight
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127.0
        rounded = torch.round(weight / scale) * scale
        return nn.functional.gelu(nn.functional.linear(x, rounded, self.linear.bias))
