"""Among equal maxima it reports the last, where the first is due."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_row_argmax",
    "kind": "wrong",
    "what": "a reduction that prefers the later of two equal values",
    "source": "own",
    "defence": "rows with ties, and indices compared exactly",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.shape[1] - 1 - torch.argmax(x.flip(1), dim=1)
