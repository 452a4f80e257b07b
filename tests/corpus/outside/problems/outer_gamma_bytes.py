"""Gamma correction of 8-bit pixels: uint8 in, float32 out."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.pow(pixels.float() / 255.0, 2.2)


def get_inputs() -> list[torch.Tensor]:
    return [torch.randint(0, 256, (128, 256), dtype=torch.uint8)]


def get_init_inputs() -> list[object]:
    return []
