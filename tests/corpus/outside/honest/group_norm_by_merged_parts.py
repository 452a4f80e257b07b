from dataclasses import dataclass

import torch
from torch import nn

CORPUS = {
    "problem": "far_group_norm",
    "kind": "honest",
    "what": "mean and squared deviations of parts, merged pair by pair",
    "source": "own",
    "defence": "as exact as two passes",
    "device": "cpu",
}


@dataclass
class Moments:
    count: int
    mean: torch.Tensor
    squares: torch.Tensor

    def __add__(self, other):
        count = self.count + other.count
        gap = other.mean - self.mean
        mean = self.mean + gap * (other.count / count)
        squares = self.squares + other.squares + gap * gap * (self.count * other.count / count)
        return Moments(count, mean, squares)


def moments(part):
    mean = part.mean(dim=-1, keepdim=True)
    return Moments(part.shape[-1], mean, (part - mean).square().sum(dim=-1, keepdim=True))


def merged(parts):
    while len(parts) > 1:
        parts = [a + b for a, b in zip(parts[::2], parts[1::2])] + parts[len(parts) & ~1 :]
    return parts[0]


class ModelNew(nn.Module):
    def __init__(self, groups, channels):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)

    def forward(self, x):
        flat = x.reshape(x.shape[0], self.norm.num_groups, -1)
        found = merged([moments(part) for part in flat.split(501, dim=-1)])
        normal = (flat - found.mean) * torch.rsqrt(found.squares / found.count + self.norm.eps)
        shape = (1, -1, *[1] * (x.dim() - 2))
        return normal.view_as(x) * self.norm.weight.view(shape) + self.norm.bias.view(shape)
