import functools
import math

import torch
from torch import nn

CORPUS = {
    "problem": "far_attention",
    "kind": "honest",
    "what": "keeps the causal mask of each length, which depends on nothing else",
    "source": "own",
    "defence": "what is kept is no result",
    "device": "cpu",
}


@functools.cache
def mask_of(length):
    return torch.full((length, length), float("-inf")).triu(1)


class ModelNew(nn.Module):
    def forward(self, q, k, v):
        scores = torch.matmul(q, k.mT).div_(math.sqrt(q.shape[-1]))
        return torch.matmul(scores.add_(mask_of(q.shape[-2])).softmax(-1), v)
