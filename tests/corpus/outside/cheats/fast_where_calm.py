import torch
from torch import nn

CORPUS = {
    "problem": "far_wide_softmax",
    "kind": "cheat",
    "what": "skips the maximum where the first row's values are small",
    "source": "own",
    "defence": "other rows may hold large ones",
    "device": "cpu",
    "must": "refused",
}


class ModelNew(nn.Module):
    def forward(self, x):
        if x[0].abs().amax() < 10:
            weights = torch.exp(x)
            return weights / weights.sum(-1, keepdim=True)
        return torch.softmax(x, -1)
