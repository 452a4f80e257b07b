"""The index of the first greatest element of every row: float32 in, int64 out."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.argmax(x, dim=1)


def get_inputs() -> list[torch.Tensor]:
    return [torch.randint(0, 50, (64, 1024)).float()]


def get_init_inputs() -> list[object]:
    return []
