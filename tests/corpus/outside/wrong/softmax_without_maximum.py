"""Leaves out the subtraction of the row's maximum: right for small logits, infinite for large ones."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_softmax",
    "kind": "wrong",
    "what": "exponentiates the logits as they are, which overflows from 89 on",
    "source": "own",
    "defence": "inputs of large magnitude",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        powers = torch.exp(x)
        return powers / powers.sum(dim=-1, keepdim=True)
