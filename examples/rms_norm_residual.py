"""RMSNorm with residual, as Llama-3-8B runs it between its blocks: 2048 tokens of hidden size 4096, in float32.

A problem in KernelBench's format. Try: tilewright optimize examples/rms_norm_residual.py --budget 60s
"""

import torch
from torch import nn

TOKENS = 2048
HIDDEN = 4096
EPS = 1e-5


class Model(nn.Module):
    """Adds the residual to x, then divides each row by its root mean square and scales it by the weight."""

    def __init__(self, hidden: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))
        self.eps = eps

    def forward(self, x: torch.Tensor, residual: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        residual = x + residual
        variance = residual.pow(2).mean(dim=-1, keepdim=True)
        return residual * torch.rsqrt(variance + self.eps) * self.weight, residual


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(TOKENS, HIDDEN), torch.randn(TOKENS, HIDDEN)]


def get_init_inputs() -> list[object]:
    return [HIDDEN, EPS]
