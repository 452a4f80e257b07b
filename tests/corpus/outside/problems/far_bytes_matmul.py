import torch
from torch import nn


class Model(nn.Module):
    def forward(self, a, b):
        return a.to(torch.int32) @ b.to(torch.int32)


def get_inputs():
    a = torch.randint(-128, 128, (65, 301), dtype=torch.int8)
    return [a, torch.randint(-128, 128, (301, 47), dtype=torch.int8)]


def get_init_inputs():
    return []
