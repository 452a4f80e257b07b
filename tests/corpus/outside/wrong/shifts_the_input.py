"""Subtracts the maximum in place, from the caller's own tensor."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_softmax",
    "kind": "wrong",
    "what": "x -= max: the result is right and the input is changed",
    "source": "own",
    "defence": "inputs are compared before and after",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x -= x.amax(dim=-1, keepdim=True)
        powers = x.exp()
        return powers / powers.sum(dim=-1, keepdim=True)
