import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x):
        return torch.fft.rfft(x, dim=-1)


def get_inputs():
    return [torch.randn(65, 250)]


def get_init_inputs():
    return []
