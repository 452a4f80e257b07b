"""The product of two lower triangular matrices, kept lower triangular; float32."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.tril(torch.matmul(torch.tril(a), torch.tril(b)))


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(160, 160), torch.randn(160, 160)]


def get_init_inputs() -> list[object]:
    return []
