"""RMSNorm whose result is gated by SiLU of a second branch, as in gated linear attention and Mamba-2: 2048 x 4096.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise/rms_norm_silu_gate.py --budget 60s
"""

import torch
import torch.nn.functional as F
from torch import nn

ROWS, HIDDEN = 2048, 4096


class Model(nn.Module):
    def __init__(self, hidden: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))
        self.eps = eps

    def forward(self, x: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        normed = x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + self.eps)
        return normed * self.weight * F.silu(gate)


def get_inputs():
    return [torch.randn(ROWS, HIDDEN), torch.randn(ROWS, HIDDEN)]


def get_init_inputs():
    return [HIDDEN, 1e-5]
