import torch
from torch import nn

CORPUS = {
    "problem": "far_half_batches",
    "kind": "wrong",
    "what": "rounds the running sum to half after every 16 terms",
    "source": "own",
    "defence": "rounding of halves many times",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, a, b):
        out = a.new_zeros(a.shape[0], a.shape[1], b.shape[2])
        for left, right in zip(a.split(16, 2), b.split(16, 1)):
            out = out + torch.bmm(left, right)
        return out
