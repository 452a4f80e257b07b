"""Two outputs are due; an empty tuple has none that could be wrong."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_moments",
    "kind": "cheat",
    "what": "returns an empty tuple, so that a comparison by zip has nothing to compare",
    "source": "own",
    "defence": "the number of outputs is compared first",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return ()
