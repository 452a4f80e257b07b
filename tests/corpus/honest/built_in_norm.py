import torch
from torch import nn

CORPUS = {
    "problem": "rms_norm_weighted",
    "kind": "honest",
    "what": "calls the library's own norm with the right epsilon",
    "source": "vendor calls",
    "defence": "the same numbers",
    "device": "cpu",
    "fast": True,
}


class ModelNew(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x):
        return nn.functional.rms_norm(x, x.shape[-1:], self.weight, 1e-5)
