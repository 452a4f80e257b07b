import torch
from torch import nn


class Model(nn.Module):
    """The length of each row, of halves whose squares leave the halves."""

    def forward(self, x):
        return x.float().pow(2).sum(-1).sqrt().to(x.dtype)


def get_inputs():
    return [(4 * torch.randn(400, 1100)).half()]


def get_init_inputs():
    return []
