"""Writes rows of 1000 into memory for 1024, as aligned kernels do, and returns the part that counts."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_softmax",
    "kind": "honest",
    "what": "returns a slice of a larger, new tensor: rows are 1024 apart",
    "source": "own",
    "defence": "strides of an output are free where its memory is its own",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = torch.empty(x.shape[0], 1024)[:, : x.shape[1]]
        return out.copy_(torch.softmax(x, dim=-1))
