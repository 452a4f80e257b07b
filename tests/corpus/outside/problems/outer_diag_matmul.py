"""A diagonal matrix, given by its diagonal, times a float32 matrix."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, d: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.diag(d) @ b


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(192), torch.randn(192, 192)]


def get_init_inputs() -> list[object]:
    return []
