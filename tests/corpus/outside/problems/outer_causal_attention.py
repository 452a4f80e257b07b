"""Causal attention of 2 x 4 heads over 64 positions, float32."""

import math

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        hidden = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).triu(1)
        return torch.softmax(scores.masked_fill(hidden, -math.inf), dim=-1) @ v


def get_inputs() -> list[torch.Tensor]:
    return [torch.randn(2, 4, 64, 32) for _ in range(3)]


def get_init_inputs() -> list[object]:
    return []
