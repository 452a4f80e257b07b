"""GEGLU of the two halves of a projection, added to a residual, as in a T5 or diffusion block: 2048 x (2 x 4096).

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise/geglu_residual.py --budget 60s
"""

import torch
import torch.nn.functional as F
from torch import nn

ROWS, HIDDEN = 2048, 4096


class Model(nn.Module):
    def forward(self, projected: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        value, gate = projected.chunk(2, dim=-1)
        return residual + value * F.gelu(gate)


def get_inputs():
    return [torch.randn(ROWS, 2 * HIDDEN), torch.randn(ROWS, HIDDEN)]


def get_init_inputs():
    return []
