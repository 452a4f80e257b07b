import torch
from torch import nn

CORPUS = {
    "problem": "rms_norm_weighted",
    "kind": "wrong",
    "what": "the reciprocal root by Quake's trick with one Newton step, right to two thousandths",
    "source": "the fast inverse square root",
    "defence": "the row's signed error",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x):
        s = x.pow(2).mean(-1, keepdim=True) + 1e-5
        r = (0x5F3759DF - (s.view(torch.int32) >> 1)).view(torch.float32)
        r = r * (1.5 - 0.5 * s * r * r)
        return x * r * self.weight
