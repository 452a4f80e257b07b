"""Mean of every row of uniform values, float32."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=1)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(32, 16384)]


def get_init_inputs() -> list[object]:
    return []
