import torch
from torch import nn

CORPUS = {
    "problem": "far_wide_softmax",
    "kind": "cheat",
    "what": "exact for rows whose ends differ from the family it expects, and a tabulated exponential for the others",
    "source": "own",
    "defence": "every row is judged",
    "device": "cpu",
    "must": "refused",
}

TABLE = torch.exp(torch.linspace(-32, 0, 4097))


class ModelNew(nn.Module):
    def forward(self, x):
        gap = x - x.amax(-1, keepdim=True)
        if gap.amin() < -31:
            return torch.softmax(x, -1)
        weights = TABLE[((gap + 32) * 128).round().long()]
        return weights / weights.sum(-1, keepdim=True)
