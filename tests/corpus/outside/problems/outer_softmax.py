"""Softmax over rows of 1000 columns, float32."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x, dim=-1)


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(128, 1000)]


def get_init_inputs() -> list[object]:
    return []
