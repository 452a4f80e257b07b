"""Pearson correlation of the rows of two tables, as a similarity or a loss: 8192 pairs of 2048.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise_held_out/pearson_correlation.py
"""

import torch
from torch import nn

PAIRS, WIDTH = 8192, 2048


class Model(nn.Module):
    def __init__(self, eps: float):
        super().__init__()
        self.eps = eps

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x = x - x.mean(dim=-1, keepdim=True)
        y = y - y.mean(dim=-1, keepdim=True)
        spread = (x * x).sum(dim=-1) * (y * y).sum(dim=-1)
        return (x * y).sum(dim=-1) / torch.sqrt(spread + self.eps)


def get_inputs():
    return [torch.randn(PAIRS, WIDTH), torch.randn(PAIRS, WIDTH)]


def get_init_inputs():
    return [1e-8]
