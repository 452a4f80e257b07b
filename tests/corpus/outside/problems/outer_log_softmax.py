"""Log-softmax over rows of 512 columns, float32."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log_softmax(x, dim=-1)


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(128, 512) * 4.0]


def get_init_inputs() -> list[object]:
    return []
