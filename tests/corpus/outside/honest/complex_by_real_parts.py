import torch
from torch import nn

CORPUS = {
    "problem": "far_complex_product",
    "kind": "honest",
    "what": "four sums of real products",
    "source": "own",
    "defence": "the same sums",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, a, b):
        real = (a.real * b.real).sum(-1) + (a.imag * b.imag).sum(-1)
        return torch.complex(real, (a.imag * b.real).sum(-1) - (a.real * b.imag).sum(-1))
