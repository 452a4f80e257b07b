import torch
from torch import nn

CORPUS = {
    "problem": "far_own_sum",
    "kind": "wrong",
    "what": "returns the right sum and leaves its argument as it was, which the reference changes",
    "source": "own",
    "defence": "the argument is an output too",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, total, x):
        return torch.add(total, x, alpha=0.5)
