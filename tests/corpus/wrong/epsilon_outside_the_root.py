import torch
from torch import nn

CORPUS = {
    "problem": "rms_norm_weighted",
    "kind": "wrong",
    "what": "adds epsilon to the root instead of to the mean square",
    "source": "a common mistake in norms",
    "defence": "small inputs, where epsilon counts",
    "device": "cpu",
    "fast": True,
}


class ModelNew(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x):
        return x / (x.pow(2).mean(-1, keepdim=True).sqrt() + 1e-5) * self.weight
