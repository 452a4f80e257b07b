import torch
from torch import nn

CORPUS = {
    "problem": "far_group_norm",
    "kind": "wrong",
    "what": "the variance of every sample is that of the first one",
    "source": "own",
    "defence": "right for the first sample alone",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, groups, channels):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)

    def forward(self, x):
        flat = x.reshape(x.shape[0], self.norm.num_groups, -1)
        gap = flat - flat.mean(dim=-1, keepdim=True)
        normal = gap * torch.rsqrt(gap[:1].square().mean(dim=-1, keepdim=True) + self.norm.eps)
        shape = (1, -1, 1, 1)
        return normal.view_as(x) * self.norm.weight.view(shape) + self.norm.bias.view(shape)
