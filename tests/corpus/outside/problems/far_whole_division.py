import torch
from torch import nn


class Model(nn.Module):
    def forward(self, a, b):
        return torch.div(a, b, rounding_mode="floor"), torch.remainder(a, b)


def get_inputs():
    return [torch.randint(-1000, 1000, (127, 211)), torch.randint(1, 50, (127, 211))]


def get_init_inputs():
    return []
