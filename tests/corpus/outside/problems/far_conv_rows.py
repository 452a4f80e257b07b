import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, channels, filters, width):
        super().__init__()
        self.conv = nn.Conv1d(channels, filters, width)

    def forward(self, x):
        return self.conv(x)


def get_inputs():
    return [torch.randn(3, 8, 509)]


def get_init_inputs():
    return [8, 16, 7]
