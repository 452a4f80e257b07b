import torch
from torch import nn

CORPUS = {
    "problem": "far_whole_division",
    "kind": "honest",
    "what": "truncates, then mends what is negative",
    "source": "own",
    "defence": "whole numbers are exact",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, a, b):
        quotient = torch.div(a, b, rounding_mode="trunc")
        rest = a - quotient * b
        below = (rest != 0) & ((rest < 0) != (b < 0))
        return quotient - below.to(a.dtype), torch.where(below, rest + b, rest)
