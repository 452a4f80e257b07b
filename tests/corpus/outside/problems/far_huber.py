import torch
from torch import nn


class Model(nn.Module):
    def forward(self, predicted, wanted):
        return torch.nn.functional.smooth_l1_loss(predicted, wanted, beta=0.7)


def get_inputs():
    return [torch.randn(129, 1025), torch.randn(129, 1025)]


def get_init_inputs():
    return []
