import torch
from torch import nn

CORPUS = {
    "problem": "far_group_norm",
    "kind": "wrong",
    "what": "divides by n - 1; a group has 2584 elements",
    "source": "own",
    "defence": "two parts in ten thousand, everywhere",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, groups, channels):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)

    def forward(self, x):
        flat = x.reshape(x.shape[0], self.norm.num_groups, -1)
        variance, mean = torch.var_mean(flat, dim=-1, keepdim=True)
        normal = ((flat - mean) * torch.rsqrt(variance + self.norm.eps)).view_as(x)
        return normal * self.norm.weight.view(1, -1, 1, 1) + self.norm.bias.view(1, -1, 1, 1)
