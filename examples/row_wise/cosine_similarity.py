"""Cosine similarity of the rows of two embedding tables: 16384 pairs of 1024.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise/cosine_similarity.py --budget 60s
"""

import torch
from torch import nn

PAIRS, WIDTH = 16384, 1024


class Model(nn.Module):
    def __init__(self, eps: float):
        super().__init__()
        self.eps = eps

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        norms = a.norm(dim=-1).clamp(min=self.eps) * b.norm(dim=-1).clamp(min=self.eps)
        return (a * b).sum(dim=-1) / norms


def get_inputs():
    return [torch.randn(PAIRS, WIDTH), torch.randn(PAIRS, WIDTH)]


def get_init_inputs():
    return [1e-8]
