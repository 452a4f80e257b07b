"""Weighted log-cosh loss of a regression, the mean of each row: 8192 x 2048.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise_held_out/log_cosh_loss.py
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

ROWS, WIDTH = 8192, 2048


class Model(nn.Module):
    def forward(self, prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        error = prediction - target
        return (weight * (error + F.softplus(-2 * error) - math.log(2))).mean(dim=-1)


def get_inputs():
    return [torch.randn(ROWS, WIDTH), torch.randn(ROWS, WIDTH), torch.rand(ROWS, WIDTH)]


def get_init_inputs():
    return []
