import torch
from torch import nn


class Model(nn.Module):
    """Adds x to the residual in place and returns its layer norm."""

    def forward(self, x, residual):
        residual.add_(x)
        return nn.functional.layer_norm(residual, residual.shape[-1:])


def get_inputs():
    return [torch.randn(200, 1000), torch.randn(200, 1000)]


def get_init_inputs():
    return []
