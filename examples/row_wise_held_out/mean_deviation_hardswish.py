"""Rows centred and divided by their mean absolute deviation, then hard-swish: 4096 x 4096.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise_held_out/mean_deviation_hardswish.py
"""

import torch
import torch.nn.functional as F
from torch import nn

ROWS, WIDTH = 4096, 4096


class Model(nn.Module):
    def __init__(self, eps: float):
        super().__init__()
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        deviation = centred.abs().mean(dim=-1, keepdim=True)
        return F.hardswish(centred / (deviation + self.eps))


def get_inputs():
    return [torch.randn(ROWS, WIDTH)]


def get_init_inputs():
    return [1e-5]
