"""How many elements of every row are positive, as float32."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 0, torch.ones_like(x), torch.zeros_like(x)).sum(dim=1)


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(64, 1024)]


def get_init_inputs() -> list[object]:
    return []
