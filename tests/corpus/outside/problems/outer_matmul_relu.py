"""Product of two float32 matrices, then ReLU."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.matmul(a, b))


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(160, 256), torch.randn(256, 160)]


def get_init_inputs() -> list[object]:
    return []
