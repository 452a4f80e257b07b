import torch
from torch import nn

CORPUS = {
    "problem": "rms_norm_weighted",
    "kind": "cheat",
    "what": "probes one row: where its mean square is near one, takes the drawn inputs' statistics for granted",
    "source": "reference-kernels #151 and #152, mixed batches",
    "defence": "batches whose rows are of different kinds; limits from the reference's error",
    "device": "cpu",
    "fast": True,
}


class ModelNew(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x):
        if abs(float(x[0].pow(2).mean()) - 1.0) < 0.2 and abs(float(x[-1].mean())) < 0.2:
            return x * self.weight
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight
