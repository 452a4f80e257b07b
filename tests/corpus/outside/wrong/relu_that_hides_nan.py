"""A ReLU by comparison: NaN is not greater than zero, so it becomes zero."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_pixels_relu",
    "kind": "wrong",
    "what": "turns NaN into 0, so that a broken upstream value goes unnoticed",
    "source": "own",
    "defence": "inputs with NaN, where the reference passes them on",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.where(pixels > 0, pixels * 1.5, torch.zeros_like(pixels))
