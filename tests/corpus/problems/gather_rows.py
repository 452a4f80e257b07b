import torch
from torch import nn


class Model(nn.Module):
    def forward(self, table, index):
        rows = table[index]
        return rows / (rows.abs().sum(-1, keepdim=True) + 1)


def get_inputs():
    return [torch.randn(600, 500), torch.randint(0, 600, (333,))]


def get_init_inputs():
    return []
