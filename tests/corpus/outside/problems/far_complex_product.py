import torch
from torch import nn


class Model(nn.Module):
    def forward(self, a, b):
        return (a * b.conj()).sum(dim=-1)


def get_inputs():
    return [torch.randn(65, 257, dtype=torch.complex64), torch.randn(65, 257, dtype=torch.complex64)]


def get_init_inputs():
    return []
