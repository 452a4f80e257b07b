import torch
from torch import nn

CORPUS = {
    "problem": "rms_norm_weighted",
    "kind": "wrong",
    "what": "subtracts the mean, as a layer norm does",
    "source": "a norm taken for another",
    "defence": "shifted inputs",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x):
        d = x - x.mean(-1, keepdim=True)
        return d * torch.rsqrt(d.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight
