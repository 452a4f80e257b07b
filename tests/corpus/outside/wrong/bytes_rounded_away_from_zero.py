import torch
from torch import nn

CORPUS = {
    "problem": "far_quantise",
    "kind": "wrong",
    "what": "rounds halves away from zero, not to even",
    "source": "own",
    "defence": "seen where a quotient ends in a half",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x, scale):
        y = x / scale
        return (torch.sign(y) * torch.floor(y.abs() + 0.5)).clamp(-128, 127).to(torch.int8)
