"""LayerNorm without weights, then scale and shift per image, as in a diffusion transformer (adaLN): 8 x 1024 x 1152.

A problem in KernelBench's format. Try: tilewright optimize examples/row_wise_held_out/adaptive_layer_norm.py
"""

import torch
import torch.nn.functional as F
from torch import nn

IMAGES, TOKENS, WIDTH = 8, 1024, 1152


class Model(nn.Module):
    def __init__(self, eps: float):
        super().__init__()
        self.eps = eps

    def forward(self, x: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, (x.shape[-1],), eps=self.eps) * (1 + scale) + shift


def get_inputs():
    return [torch.randn(IMAGES, TOKENS, WIDTH), torch.randn(IMAGES, 1, WIDTH), torch.randn(IMAGES, 1, WIDTH)]


def get_init_inputs():
    return [1e-6]
