"""ReLU and a gain over pixels in [0, 1), float32."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.relu(pixels) * 1.5


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(8, 3, 96, 96)]


def get_init_inputs() -> list[object]:
    return []
