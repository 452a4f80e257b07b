import torch
from torch import nn

CORPUS = {
    "problem": "rms_norm_weighted",
    "kind": "wrong",
    "what": "uses 1e-6 where the problem says 1e-5",
    "source": "models differ in it",
    "defence": "small inputs, where epsilon counts",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight
