"""log(1 + exp(x)) as it is written in books."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_softplus",
    "kind": "wrong",
    "what": "overflows for x from 89 on, and loses all digits for x below -16",
    "source": "own",
    "defence": "inputs of large magnitude",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log(1.0 + torch.exp(x))
