import torch
from torch import nn

CORPUS = {
    "problem": "padded_bag",
    "kind": "wrong",
    "what": "divides by the number of indices that are no padding; a bag of padding alone gives NaN",
    "source": "own",
    "defence": "some rows of indices are all zero",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, rows, width):
        super().__init__()
        self.table = nn.Parameter(torch.randn(rows, width))

    def forward(self, idx):
        kept = (idx != 0).to(self.table.dtype)
        total = torch.einsum("bkw,bk->bw", self.table[idx], kept)
        return total / kept.sum(-1, keepdim=True)
