"""Softplus of every element, float32."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.softplus(x)


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(128, 512)]


def get_init_inputs() -> list[object]:
    return []
