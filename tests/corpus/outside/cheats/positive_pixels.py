"""Knows that the generated pixels are never negative, and saves the ReLU."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_pixels_relu",
    "kind": "cheat",
    "what": "leaves out the ReLU, since the problem's inputs come from torch.rand",
    "source": "KernelBench, input distribution shortcuts",
    "defence": "inputs of families beyond the problem's own distribution",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels * 1.5
