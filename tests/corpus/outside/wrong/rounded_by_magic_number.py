"""Rounds by adding and subtracting 1.5 * 2^23, which only holds below 2^22."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_round_to_grid",
    "kind": "wrong",
    "what": "the magic number trick without a guard: large values lose their last bits",
    "source": "own",
    "defence": "inputs of large magnitude",
    "device": "cpu",
}
MAGIC = 12582912.0


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return ((x * 4.0 + MAGIC) - MAGIC) * 0.25
