import torch
from torch import nn

CORPUS = {
    "problem": "far_half_batches",
    "kind": "honest",
    "what": "floats inside, in slices along the sum, rounded to half at the end",
    "source": "own",
    "defence": "more exact than halves",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, a, b):
        out = torch.zeros(a.shape[0], a.shape[1], b.shape[2])
        for left, right in zip(a.split(129, dim=2), b.split(129, dim=1)):
            out.baddbmm_(left.float(), right.float())
        return out.to(a.dtype)
