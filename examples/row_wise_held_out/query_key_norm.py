"""Queries of unit length times a learned scale per channel, before attention: 4 x 16 heads x 1024 x 128.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise_held_out/query_key_norm.py
"""

import torch
import torch.nn.functional as F
from torch import nn

BATCH, HEADS, TOKENS, WIDTH = 4, 16, 1024, 128


class Model(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(width))

    def forward(self, queries: torch.Tensor) -> torch.Tensor:
        return F.normalize(queries, dim=-1) * self.scale


def get_inputs():
    return [torch.randn(BATCH, HEADS, TOKENS, WIDTH)]


def get_init_inputs():
    return [WIDTH]
