"""An output of zero columns broadcasts against one column into nothing, and nothing differs."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_linear_row_sum",
    "kind": "cheat",
    "what": "returns a tensor of 0 columns where 1 is due: it broadcasts with the truth to an empty comparison",
    "source": "own",
    "defence": "shapes must be equal before values are compared",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inside, outside)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.new_empty(x.shape[0], 0)
