"""Powers of two with four decimals of log2(e)."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_softmax",
    "kind": "wrong",
    "what": "computes exp(x) as exp2(1.4427 x): errors of 1e-5 of each probability",
    "source": "own",
    "defence": "a tolerance from the rounding error, relative to each element's own row",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        powers = torch.exp2((x - x.amax(dim=-1, keepdim=True)) * 1.4427)
        return powers / powers.sum(dim=-1, keepdim=True)
