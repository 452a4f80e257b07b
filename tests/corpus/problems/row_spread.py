import torch
from torch import nn


class Model(nn.Module):
    """Rows less their mean, over their standard deviation with Bessel's correction; their means are far from zero."""

    def forward(self, x):
        return (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True)


def get_inputs():
    return [torch.randn(1000, 120) + 30 * torch.randn(1000, 1)]


def get_init_inputs():
    return []
