import torch
from torch import nn


class Model(nn.Module):
    """The mean of each row of a square matrix, which a wrong axis does not change in shape."""

    def forward(self, x):
        return x.mean(dim=1)


def get_inputs():
    return [torch.randn(600, 600)]


def get_init_inputs():
    return []
