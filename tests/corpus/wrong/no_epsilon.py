import torch
from torch import nn

CORPUS = {
    "problem": "rms_norm_weighted",
    "kind": "wrong",
    "what": "leaves epsilon out",
    "source": "own",
    "defence": "small inputs, where epsilon counts",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True)) * self.weight
