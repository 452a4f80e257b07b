import torch
from torch import nn

CORPUS = {
    "problem": "far_huber",
    "kind": "wrong",
    "what": "a tensor of one element where the reference gives a scalar",
    "source": "own",
    "defence": "another shape",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, predicted, wanted):
        return torch.nn.functional.smooth_l1_loss(predicted, wanted, beta=0.7).reshape(1)
