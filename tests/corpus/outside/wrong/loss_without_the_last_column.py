import torch
from torch import nn

CORPUS = {
    "problem": "far_huber",
    "kind": "wrong",
    "what": "leaves the column after the last whole tile of 64 out of the mean",
    "source": "own",
    "defence": "one of 1025 columns in a mean of many",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, predicted, wanted):
        width = predicted.shape[1] // 64 * 64
        return torch.nn.functional.smooth_l1_loss(predicted[:, :width], wanted[:, :width], beta=0.7)
