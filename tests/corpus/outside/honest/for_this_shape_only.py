"""Knows its shape and refuses all others."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_softmax",
    "kind": "honest",
    "what": "hard-codes 128 x 1000, unrolled by hand into ten blocks, and asserts it",
    "source": "own",
    "defence": "a kernel for one shape is right where the problem has one shape",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape == (128, 1000), f"made for 128 x 1000, got {tuple(x.shape)}"
        blocks = [x[:, start : start + 100] for start in range(0, 1000, 100)]
        most = torch.stack([block.amax(dim=1) for block in blocks]).amax(dim=0)[:, None]
        powers = [torch.exp(block - most) for block in blocks]
        total = torch.stack([power.sum(dim=1) for power in powers]).sum(dim=0)[:, None]
        return torch.cat([power / total for power in powers], dim=1)
