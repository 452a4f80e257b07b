"""Softmax of scaled scores under a boolean mask, as in an attention layer with padding: 2048 queries of 4096 keys.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise/masked_softmax.py --budget 60s
"""

import torch
from torch import nn

ROWS, KEYS, TEMPERATURE = 2048, 4096, 0.7


class Model(nn.Module):
    def __init__(self, temperature: float):
        super().__init__()
        self.temperature = temperature

    def forward(self, scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        scores = (scores / self.temperature).masked_fill(mask, float("-inf"))
        return torch.softmax(scores, dim=-1)


def get_inputs():
    mask = torch.rand(ROWS, KEYS) < 0.2
    mask[:, 0] = False
    return [torch.randn(ROWS, KEYS), mask]


def get_init_inputs():
    return [TEMPERATURE]
