import math

import torch
from torch import nn

CORPUS = {
    "problem": "far_attention",
    "kind": "wrong",
    "what": "from row 64 on, each row also sees the key after its own",
    "source": "own",
    "defence": "one key too many in a third of the rows",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, q, k, v):
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        length = q.shape[-2]
        row, key = torch.arange(length)[:, None], torch.arange(length)[None]
        hidden = key > row + (row >= 64)
        return torch.softmax(scores.masked_fill(hidden, float("-inf")), dim=-1) @ v
