import torch
from torch import nn


class Model(nn.Module):
    def forward(self, a, b):
        return torch.bmm(a, b)


def get_inputs():
    return [torch.randn(5, 33, 513).half(), torch.randn(5, 513, 31).half()]


def get_init_inputs():
    return []
