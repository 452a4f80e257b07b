import torch
from torch import nn

CORPUS = {
    "problem": "padded_bag",
    "kind": "honest",
    "what": "gathers all rows of the table and multiplies padding by zero",
    "source": "own",
    "defence": "roundings of another order are allowed for",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, rows, width):
        super().__init__()
        self.table = nn.Parameter(torch.randn(rows, width))

    def forward(self, idx):
        kept = (idx != 0).to(self.table.dtype)
        total = torch.einsum("bkw,bk->bw", self.table[idx], kept)
        return total / kept.sum(-1, keepdim=True).clamp_min(1)
