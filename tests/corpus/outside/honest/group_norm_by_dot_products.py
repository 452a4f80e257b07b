import torch
from torch import nn

CORPUS = {
    "problem": "far_group_norm",
    "kind": "honest",
    "what": "one group after the other in two passes, the second a dot product, over a buffer that is kept",
    "source": "own",
    "defence": "squares that add up exactly in one pass do not in two, so both are runs of the reference",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, groups, channels):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.buffer = {}

    def forward(self, x):
        n, c, h, w = x.shape
        g = self.norm.num_groups
        size = c // g * h * w
        centred = self.buffer.setdefault(size, torch.empty(size))
        out = torch.empty(x.shape)
        with torch.no_grad():
            for group, to in zip(x.reshape(n * g, size), out.view(n * g, size), strict=True):
                torch.sub(group, group.mean(), out=centred)
                torch.mul(centred, torch.rsqrt(centred.dot(centred) / size + self.norm.eps), out=to)
            return out.mul_(self.norm.weight.view(1, c, 1, 1)).add_(self.norm.bias.view(1, c, 1, 1))
