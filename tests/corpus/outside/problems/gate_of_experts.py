import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, logits):
        p = torch.softmax(logits, dim=-1)
        w, i = torch.topk(p, self.k, dim=-1, sorted=True)
        return w / w.sum(dim=-1, keepdim=True), i


def get_inputs():
    return [torch.randn(300, 64)]


def get_init_inputs():
    return [4]
