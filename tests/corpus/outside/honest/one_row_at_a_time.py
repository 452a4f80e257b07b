"""A loop over rows: fifty times slower than it need be, and right."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_unit_rows",
    "kind": "honest",
    "what": "Python loops, one row after the other",
    "source": "own",
    "defence": "slow is not wrong",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        for row in range(x.shape[0]):
            out[row] = x[row] / x[row].norm().clamp(min=1e-12)
        return out
