"""One value per row, shown as a whole row by a stride of zero."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_broadcast_mean",
    "kind": "cheat",
    "what": "returns an expanded view with stride 0, so that the output is never written",
    "source": "own",
    "defence": "outputs whose elements share memory are refused",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=1, keepdim=True).expand(x.shape)
