"""Folds the weights once, at the first call, as if nobody could load others afterwards."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_linear_row_sum",
    "kind": "cheat",
    "what": "sums the weight's rows at the first call and never looks at the weight again",
    "source": "own",
    "defence": "weights change between calls",
    "open": "weights are static: what is prepared from them at the first call is not timed",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inside, outside)
        self.folded: tuple[torch.Tensor, torch.Tensor] | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.folded is None:
            linear = self.linear
            self.folded = (linear.weight.detach().sum(dim=0)[:, None], linear.bias.detach().sum())
        return x @ self.folded[0] + self.folded[1]
