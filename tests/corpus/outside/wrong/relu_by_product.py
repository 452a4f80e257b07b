"""A ReLU as the product with its own mask: minus infinity times zero is NaN."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_pixels_relu",
    "kind": "wrong",
    "what": "multiplies by the mask x > 0, which makes NaN of minus infinity",
    "source": "own",
    "defence": "inputs with infinities, where the reference is finite",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels * (pixels > 0) * 1.5
