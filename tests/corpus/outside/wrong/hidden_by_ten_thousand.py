"""Hides the future by adding -10000, which large scores outweigh."""

import math

import torch
from torch import nn

CORPUS = {
    "problem": "outer_causal_attention",
    "kind": "wrong",
    "what": "a mask of -1e4 in place of minus infinity: hidden positions come back for large scores",
    "source": "own",
    "defence": "inputs of large magnitude",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        hidden = torch.ones(q.shape[-2], k.shape[-2]).triu(1) * -1e4
        return torch.softmax(scores + hidden, dim=-1) @ v
