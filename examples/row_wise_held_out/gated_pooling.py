"""Every token times a gate learned from the token itself, before it is pooled: 16384 x 1024.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise_held_out/gated_pooling.py
"""

import torch
from torch import nn

TOKENS, WIDTH = 16384, 1024


class Model(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.direction = nn.Parameter(torch.randn(width) / width**0.5)
        self.offset = nn.Parameter(torch.randn(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = (x * self.direction).sum(dim=-1, keepdim=True) + self.offset
        return x * torch.sigmoid(score)


def get_inputs():
    return [torch.randn(TOKENS, WIDTH)]


def get_init_inputs():
    return [WIDTH]
