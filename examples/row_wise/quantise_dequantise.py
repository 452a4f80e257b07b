"""Symmetric int8 quantisation per row and back, as in fake-quantised activations: 4096 x 4096.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise/quantise_dequantise.py --budget 60s
"""

import torch
from torch import nn

ROWS, HIDDEN = 4096, 4096


class Model(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-8) / 127.0
        return torch.round(x / scale).clamp(-127.0, 127.0) * scale


def get_inputs():
    return [torch.randn(ROWS, HIDDEN)]


def get_init_inputs():
    return []
