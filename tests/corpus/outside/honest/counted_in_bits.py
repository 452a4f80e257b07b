"""Packs the signs into bits and counts those."""

import numpy as np
import torch
from torch import nn

CORPUS = {
    "problem": "outer_positive_count",
    "kind": "honest",
    "what": "counts packed bits by a table of 256 bytes; no float is added at all",
    "source": "own",
    "defence": "integers inside are exact where the result is a whole number",
    "device": "cpu",
}
ONES = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        packed = np.packbits(x.detach().numpy() > 0, axis=1)
        return torch.from_numpy(ONES[packed].sum(axis=1, dtype=np.int64).astype(np.float32))
