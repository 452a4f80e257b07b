import math

import torch
from torch import nn

CORPUS = {
    "problem": "far_attention",
    "kind": "honest",
    "what": "attention in blocks of 40 keys with a running maximum and sum; blocks after the diagonal are left out",
    "source": "own",
    "defence": "the same result within rounding",
    "device": "cpu",
}

BLOCK = 40


class ModelNew(nn.Module):
    def forward(self, q, k, v):
        length = q.shape[-2]
        out = torch.empty_like(q)
        for start in range(0, length, BLOCK):
            rows = slice(start, min(start + BLOCK, length))
            out[..., rows, :] = self._rows(q[..., rows, :], k, v, rows)
        return out

    def _rows(self, q, k, v, rows):
        top = torch.full((*q.shape[:-1], 1), float("-inf"), dtype=q.dtype)
        total = torch.zeros_like(top)
        out = torch.zeros_like(q)
        place = torch.arange(rows.start, rows.stop)[:, None]
        for first in range(0, rows.stop, BLOCK):
            last = min(first + BLOCK, rows.stop)
            scores = q @ k[..., first:last, :].transpose(-1, -2) / math.sqrt(q.shape[-1])
            scores = scores.masked_fill(torch.arange(first, last)[None] > place, float("-inf"))
            higher = torch.maximum(top, scores.amax(dim=-1, keepdim=True))
            weights, scale = torch.exp(scores - higher), torch.exp(top - higher)
            total = total * scale + weights.sum(dim=-1, keepdim=True)
            out = out * scale + weights @ v[..., first:last, :]
            top = higher
        return out / total
