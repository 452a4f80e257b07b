"""Expected value of a categorical return distribution, as in C51: 131072 state-action pairs x 51 atoms.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise_held_out/distributional_value.py
"""

import torch
from torch import nn

PAIRS, ATOMS = 131_072, 51


class Model(nn.Module):
    def __init__(self, low: float, high: float):
        super().__init__()
        self.register_buffer("support", torch.linspace(low, high, ATOMS))

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return (torch.softmax(logits, dim=-1) * self.support).sum(dim=-1)


def get_inputs():
    return [torch.randn(PAIRS, ATOMS)]


def get_init_inputs():
    return [-10.0, 10.0]
