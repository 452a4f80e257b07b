import torch
from torch import nn

CORPUS = {
    "problem": "far_bytes_matmul",
    "kind": "honest",
    "what": "multiplies as doubles, where every sum is exact",
    "source": "own",
    "defence": "exact is right",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, a, b):
        return torch.mm(a.double(), b.double()).to(torch.int32)
