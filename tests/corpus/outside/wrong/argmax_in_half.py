"""Compares in bfloat16: neighbours of the maximum become equal to it."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_row_argmax",
    "kind": "wrong",
    "what": "finds the maximum after rounding to bfloat16, which is exact for the problem's small whole numbers",
    "source": "own",
    "defence": "values beyond the problem's own distribution",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.argmax(x.bfloat16(), dim=1)
