import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x, angle):
        first, second = x.chunk(2, dim=-1)
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]
        return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def get_inputs():
    return [torch.randn(2, 65, 5, 64), torch.rand(65, 32) * 6.0]


def get_init_inputs():
    return []
