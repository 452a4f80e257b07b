import math

import torch
from torch import nn

CORPUS = {
    "problem": "far_huber",
    "kind": "honest",
    "what": "the exact sum of Python's floats, one at a time",
    "source": "own",
    "defence": "exact sums are right, if slow",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, predicted, wanted):
        gaps = (predicted - wanted).abs().flatten().tolist()
        total = math.fsum(0.5 * g * g / 0.7 if g < 0.7 else g - 0.35 for g in gaps)
        return torch.tensor(total / len(gaps), dtype=predicted.dtype)
