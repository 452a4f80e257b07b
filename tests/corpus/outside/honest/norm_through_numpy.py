import numpy as np
import torch
from torch import nn

CORPUS = {
    "problem": "far_brain_norm",
    "kind": "honest",
    "what": "numpy in single precision, as bfloat16 is unknown to it; the result is memory of numpy",
    "source": "own",
    "defence": "memory of another library is memory",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width, dtype=torch.bfloat16)

    def forward(self, x):
        rows = x.float().numpy()
        gap = rows - rows.mean(axis=-1, keepdims=True)
        normal = gap / np.sqrt(np.square(gap).mean(axis=-1, keepdims=True) + self.norm.eps)
        weight, bias = (p.detach().float().numpy() for p in (self.norm.weight, self.norm.bias))
        return torch.from_numpy(normal * weight + bias).to(torch.bfloat16)
