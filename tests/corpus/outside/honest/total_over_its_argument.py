import torch
from torch import nn

CORPUS = {
    "problem": "far_own_sum",
    "kind": "honest",
    "what": "writes into its first argument and returns it, as the reference does",
    "source": "own",
    "defence": "what the reference changes may be changed",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, total, x):
        return torch.add(total, x, alpha=0.5, out=total)
