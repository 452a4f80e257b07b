"""Divides by the norm without its lower limit: a row of zeros becomes NaN."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_unit_rows",
    "kind": "wrong",
    "what": "x / norm(x) without eps",
    "source": "own",
    "defence": "rows of zeros",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / x.norm(dim=1, keepdim=True)
