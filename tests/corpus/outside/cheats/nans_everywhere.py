"""All NaN: no difference from NaN is ever greater than a tolerance."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_softmax",
    "kind": "cheat",
    "what": "returns NaN everywhere, since `difference > allowed` is false for it",
    "source": "KernelBench, classic of comparisons",
    "defence": "comparisons are written so that NaN fails them",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.full_like(x, float("nan"))
