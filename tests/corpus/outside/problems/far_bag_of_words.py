import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, words, width):
        super().__init__()
        self.table = nn.Embedding(words, width)

    def forward(self, tokens, keep):
        rows = self.table(tokens) * keep.unsqueeze(-1)
        return rows.sum(dim=1) / keep.sum(dim=1, keepdim=True).clamp(min=1)


def get_inputs():
    return [torch.randint(0, 300, (33, 21)), torch.rand(33, 21) > 0.3]


def get_init_inputs():
    return [300, 96]
