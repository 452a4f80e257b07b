from collections import Counter

import torch
from torch import nn

CORPUS = {
    "problem": "far_counts",
    "kind": "honest",
    "what": "counts with collections.Counter",
    "source": "own",
    "defence": "no tensor library is needed to be right",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        found = Counter(x.tolist())
        return torch.tensor([found[n] for n in range(max(130, max(found) + 1))])
