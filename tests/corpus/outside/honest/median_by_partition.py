"""Finds the median by NumPy's introselect."""

import numpy as np
import torch
from torch import nn

CORPUS = {
    "problem": "outer_row_median",
    "kind": "honest",
    "what": "partitions a copy of every row around its middle; NaN wins, as in the reference",
    "source": "own",
    "defence": "another algorithm with exactly the same result",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.detach().numpy()
        middle = np.partition(rows, (rows.shape[1] - 1) // 2, axis=1)[:, (rows.shape[1] - 1) // 2]
        return torch.from_numpy(np.where(np.isnan(rows).any(axis=1), np.float32("nan"), middle))
