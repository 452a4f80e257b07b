"""Softmax over the rows of a score matrix with a temperature: a problem in KernelBench's format.

Try: tilewright check examples/softmax_cpp.py --problem examples/softmax_problem.py
"""

import torch
from torch import nn

ROWS = 512
COLUMNS = 1000
TEMPERATURE = 0.7


class Model(nn.Module):
    def __init__(self, temperature: float):
        super().__init__()
        self.temperature = temperature

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x / self.temperature, dim=-1)


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(ROWS, COLUMNS)]


def get_init_inputs() -> list[object]:
    return [TEMPERATURE]
