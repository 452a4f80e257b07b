import torch
from torch import nn


class Model(nn.Module):
    """Values lie on a grid, so that the largest one of a row is often there twice; the first counts."""

    def forward(self, x):
        return torch.argmax(torch.round(x * 4), dim=-1)


def get_inputs():
    return [torch.randn(255, 1021)]


def get_init_inputs():
    return []
