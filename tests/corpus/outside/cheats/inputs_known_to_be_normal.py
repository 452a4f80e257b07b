import torch
from torch import nn

CORPUS = {
    "problem": "far_spread_and_mean",
    "kind": "cheat",
    "what": "returns the moments of a standard normal with plausible noise",
    "source": "own",
    "defence": "inputs of other families",
    "device": "cpu",
    "must": "refused",
}


class ModelNew(nn.Module):
    def forward(self, x):
        count = x.shape[0] * x.shape[2]
        noise = torch.randn(2, x.shape[1]) / count**0.5
        return 1 + noise[0] / 2**0.5, noise[1]
