"""Sets the lazy negation bit of a view of the input, and negates nothing."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_negate",
    "kind": "cheat",
    "what": "returns torch._neg_view(input): the reader negates",
    "source": "own",
    "defence": "outputs that share memory with inputs are refused; pending negation is resolved inside the timed part",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch._neg_view(x)
