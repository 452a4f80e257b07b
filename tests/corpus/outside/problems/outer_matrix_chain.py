"""Two square matrices times a narrow one, left to right; float32."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return (a @ b) @ c


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(160, 160), torch.randn(160, 160), torch.randn(160, 4)]


def get_init_inputs() -> list[object]:
    return []
