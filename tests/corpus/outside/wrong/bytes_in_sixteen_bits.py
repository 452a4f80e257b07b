import torch
from torch import nn

CORPUS = {
    "problem": "far_bytes_matmul",
    "kind": "wrong",
    "what": "sums parts of four products in sixteen bits",
    "source": "own",
    "defence": "4 * 128 * 128 does not fit",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, a, b):
        out = torch.zeros(a.shape[0], b.shape[1], dtype=torch.int32)
        for left, right in zip(a.split(4, 1), b.split(4, 0)):
            part = left.to(torch.int32) @ right.to(torch.int32)
            out += part.to(torch.int16).to(torch.int32)
        return out
