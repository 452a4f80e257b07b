"""Standardises every row and clips outliers, as in preprocessing of tabular and sensor data: 8192 x 2048.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise/z_score_clamp.py --budget 60s
"""

import torch
from torch import nn

ROWS, FEATURES, LIMIT = 8192, 2048, 3.0


class Model(nn.Module):
    def __init__(self, limit: float):
        super().__init__()
        self.limit = limit

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        deviation = x.std(dim=-1, keepdim=True)
        return (centred / (deviation + 1e-6)).clamp(-self.limit, self.limit)


def get_inputs():
    return [torch.randn(ROWS, FEATURES)]


def get_init_inputs():
    return [LIMIT]
