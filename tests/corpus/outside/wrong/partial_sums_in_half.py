"""Keeps 128 partial sums of every row in float16."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_row_mean",
    "kind": "wrong",
    "what": "stores the partial sums of a two-stage reduction in float16",
    "source": "own",
    "defence": "a tolerance from float32's rounding error",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        partial = x.view(x.shape[0], 128, -1).mean(dim=2).half()
        return partial.float().mean(dim=1)
