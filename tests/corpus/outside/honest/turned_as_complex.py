import torch
from torch import nn

CORPUS = {
    "problem": "far_rotary",
    "kind": "honest",
    "what": "pairs as complex numbers, times the unit numbers of the angles",
    "source": "own",
    "defence": "the same products and sums",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x, angle):
        pairs = torch.complex(*x.chunk(2, dim=-1))
        found = pairs * torch.polar(torch.ones_like(angle), angle)[:, None]
        return torch.cat([found.real, found.imag], dim=-1)
