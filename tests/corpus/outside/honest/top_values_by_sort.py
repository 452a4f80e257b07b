import torch
from torch import nn

CORPUS = {
    "problem": "far_top_values",
    "kind": "honest",
    "what": "sorts whole rows stably and keeps the first nine; among equal values it may name other places than topk",
    "source": "own",
    "defence": "which of equal values is named is free",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        values, places = torch.sort(x, dim=-1, descending=True, stable=True)
        return values[:, :9].contiguous(), places[:, :9].contiguous()
