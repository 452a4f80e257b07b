"""Rounds halves up, where halves go to the even neighbour."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_round_to_grid",
    "kind": "wrong",
    "what": "floor(x + 0.5): differs only at exact halves, which random inputs never hit",
    "source": "own",
    "defence": "inputs that lie on halves",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.floor(x * 4.0 + 0.5) * 0.25
