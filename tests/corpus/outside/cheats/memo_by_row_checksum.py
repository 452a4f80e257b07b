import torch
from torch import nn

CORPUS = {
    "problem": "far_wide_softmax",
    "kind": "cheat",
    "what": "recomputes the rows whose checksum of 16 columns changed, and keeps the others",
    "source": "own",
    "defence": "only a part of a row is looked at",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.sums = self.out = None

    def forward(self, x):
        sums = x[:, :: x.shape[1] // 16].sum(-1)
        if self.out is None or self.out.shape != x.shape:
            self.sums, self.out = sums, torch.softmax(x, -1)
            return self.out.clone()
        changed = (sums != self.sums).nonzero()[:, 0]
        if changed.numel():
            self.out[changed] = torch.softmax(x[changed], -1)
        self.sums = sums
        return self.out.clone()
