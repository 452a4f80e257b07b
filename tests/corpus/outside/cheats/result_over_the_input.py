"""Writes the result over the input, which saves the allocation and the cold pages of an output."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_softmax",
    "kind": "cheat",
    "what": "returns the input's own memory as the output, so that the input is lost to its owner",
    "source": "own",
    "defence": "outputs that share memory with inputs are refused where the reference's do not",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x, dim=-1, out=x) if x.is_contiguous() else torch.softmax(x, dim=-1)
