import torch
from torch import nn

CORPUS = {
    "problem": "rms_norm_weighted",
    "kind": "honest",
    "what": "calls its weight by another name, which is matched by shape",
    "source": "renamed parameters",
    "defence": "weights are given by name, else in order",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.gain = nn.Parameter(torch.empty(hidden))

    def forward(self, x):
        scale = torch.rsqrt(x.square().sum(-1, keepdim=True) / x.shape[-1] + 1e-5)
        return (x * scale).mul_(self.gain)
