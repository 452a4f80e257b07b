import torch
from torch import nn

CORPUS = {
    "problem": "far_double_softplus",
    "kind": "wrong",
    "what": "softplus with its usual threshold: x itself above 20, which is short by up to 2e-9",
    "source": "own",
    "defence": "doubles see the ninth digit",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        return torch.nn.functional.softplus(x).sum(dim=-1)
