"""The logarithm of a plain sum of exponentials."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_logsumexp",
    "kind": "wrong",
    "what": "log(sum(exp(x))): infinite for values from 89 on, minus infinity for rows below -104",
    "source": "own",
    "defence": "inputs of large magnitude",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.exp().sum(dim=1).log()
