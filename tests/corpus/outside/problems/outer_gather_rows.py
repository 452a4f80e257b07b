"""Rows of a table picked by int64 numbers and scaled, float32."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, table: torch.Tensor, rows: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        return table[rows] * gain[:, None]


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(400, 128), torch.randint(0, 400, (256,)), torch.randn(256)]


def get_init_inputs() -> list[object]:
    return []
