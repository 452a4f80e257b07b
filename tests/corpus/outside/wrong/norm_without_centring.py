import torch
from torch import nn

CORPUS = {
    "problem": "far_brain_norm",
    "kind": "wrong",
    "what": "takes the variance for the mean square, which is nearly the same where the mean is near zero",
    "source": "own",
    "defence": "seen where the mean is not zero",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width, dtype=torch.bfloat16)

    def forward(self, x):
        rows = x.float()
        scale = torch.rsqrt(rows.square().mean(dim=-1, keepdim=True) + self.norm.eps)
        normal = (rows - rows.mean(dim=-1, keepdim=True)) * scale
        return (normal * self.norm.weight.float() + self.norm.bias.float()).to(x.dtype)
