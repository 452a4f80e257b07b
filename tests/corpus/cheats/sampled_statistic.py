import torch
from torch import nn

CORPUS = {
    "problem": "rms_norm_weighted",
    "kind": "cheat",
    "what": "takes the mean square of a row from every fourth element",
    "source": "BackendBench docs/correctness.md, known statistics",
    "defence": "the reference's own error is the limit; ramps and heavy tails",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x):
        return x * torch.rsqrt(x[:, ::4].pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight
