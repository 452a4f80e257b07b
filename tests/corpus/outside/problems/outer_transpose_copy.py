"""A transposed, contiguous copy of a float32 matrix."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.t().contiguous()


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(384, 320)]


def get_init_inputs() -> list[object]:
    return []
