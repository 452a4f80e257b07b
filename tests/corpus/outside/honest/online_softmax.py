"""Attention in blocks with a running maximum; blocks in the future are never touched."""

import math

import torch
from torch import nn

CORPUS = {
    "problem": "outer_causal_attention",
    "kind": "honest",
    "what": "the blockwise softmax of flash attention, skipping hidden blocks",
    "source": "own",
    "defence": "another algorithm within the reference's own rounding error",
    "device": "cpu",
}
BLOCK = 16


class ModelNew(nn.Module):
    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(q)
        for top in range(0, q.shape[-2], BLOCK):
            rows = q[..., top : top + BLOCK, :] / math.sqrt(q.shape[-1])
            most = torch.full((*rows.shape[:-1], 1), -math.inf)
            total = torch.zeros_like(most)
            mixed = torch.zeros_like(rows)
            for left in range(0, top + BLOCK, BLOCK):
                scores = rows @ k[..., left : left + BLOCK, :].transpose(-2, -1)
                if left == top:
                    hidden = torch.ones(BLOCK, BLOCK, dtype=torch.bool).triu(1)
                    scores = scores.masked_fill(hidden, -math.inf)
                higher = torch.maximum(most, scores.amax(dim=-1, keepdim=True))
                powers, shrink = torch.exp(scores - higher), torch.exp(most - higher)
                total = total * shrink + powers.sum(dim=-1, keepdim=True)
                mixed = mixed * shrink + powers @ v[..., left : left + BLOCK, :]
                most = higher
            out[..., top : top + BLOCK, :] = mixed / total
        return out
