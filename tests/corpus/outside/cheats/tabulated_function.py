"""Does expensive things once, in the hope that set-up is free: it tabulates its function."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_softplus",
    "kind": "cheat",
    "what": "tabulates softplus at load time and answers with the nearest of a million points",
    "source": "own",
    "defence": "the tolerance is the reference's rounding error, and inputs leave the table's range",
    "device": "cpu",
}
POINTS = 1 << 20
REACH = 12.0


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        grid = torch.linspace(-REACH, REACH, POINTS, dtype=torch.float64)
        self.table = torch.nn.functional.softplus(grid).float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        at = ((x + REACH) * ((POINTS - 1) / (2 * REACH))).round().long().clamp_(0, POINTS - 1)
        return self.table[at]
