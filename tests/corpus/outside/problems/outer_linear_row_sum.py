"""A linear layer, then the sum over its outputs: float32."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, inside: int, outside: int):
        super().__init__()
        self.linear = nn.Linear(inside, outside)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x).sum(dim=1, keepdim=True)


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(64, 256)]


def get_init_inputs() -> list[object]:
    return [256, 256]
