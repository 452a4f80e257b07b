"""A square matrix that arrives as a transposed view, its columns scaled; float32."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x) * scale


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(160, 160).t(), torch.randn(160)]


def get_init_inputs() -> list[object]:
    return []
