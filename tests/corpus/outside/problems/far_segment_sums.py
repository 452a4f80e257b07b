import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, segments):
        super().__init__()
        self.segments = segments

    def forward(self, x, segment):
        return torch.zeros(self.segments, x.shape[1], dtype=x.dtype, device=x.device).index_add(0, segment, x)


def get_inputs():
    return [torch.randn(401, 67), torch.randint(0, 37, (401,))]


def get_init_inputs():
    return [37]
