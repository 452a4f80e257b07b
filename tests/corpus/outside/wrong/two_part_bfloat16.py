"""Splits one factor into two bfloat16 parts but not the other: sixteen bits on one side, eight on the other."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "wrong",
    "what": "the bfloat16 splitting trick with the low part of the second factor forgotten",
    "source": "own",
    "defence": "a tolerance from float32's rounding error",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        high = a.bfloat16().float()
        low = (a - high).bfloat16().float()
        factor = b.bfloat16().float()
        return torch.relu(high @ factor + low @ factor)
