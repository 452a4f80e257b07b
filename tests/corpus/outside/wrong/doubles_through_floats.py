import torch
from torch import nn

CORPUS = {
    "problem": "far_double_softplus",
    "kind": "wrong",
    "what": "single precision inside, doubles outside",
    "source": "own",
    "defence": "rounding of single precision",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        return torch.nn.functional.softplus(x.float(), threshold=80).double().sum(dim=-1)
