import torch
import torch.nn as nn


class Model(nn.Module):
    def forward(self, x):
        for _ in range(12):
            x = torch.cumsum(x, 1) - x * 0.5
        return x


def get_inputs():
    return [torch.randn(16, 50)]


def get_init_inputs():
    return []
