import torch
from torch import nn


class Model(nn.Module):
    def forward(self, cache, new, place):
        updated = cache.clone()
        updated.index_copy_(1, place, new)
        return updated


def get_inputs():
    return [torch.randn(3, 129, 64), torch.randn(3, 7, 64), torch.randperm(129)[:7]]


def get_init_inputs():
    return []
