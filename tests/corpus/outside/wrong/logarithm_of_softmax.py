"""Takes the logarithm of a finished softmax, whose small values have gone to zero."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_log_softmax",
    "kind": "wrong",
    "what": "log(softmax(x)): minus infinity more than 103 below the maximum, coarse before",
    "source": "own",
    "defence": "inputs of large magnitude",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log(torch.softmax(x, dim=-1))
