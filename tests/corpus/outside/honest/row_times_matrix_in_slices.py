import torch
from torch import nn

CORPUS = {
    "problem": "far_one_row",
    "kind": "honest",
    "what": "split along the sum; scratch memory is kept between calls and the result is not",
    "source": "own",
    "defence": "scratch is no result",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, width, outputs):
        super().__init__()
        self.linear = nn.Linear(width, outputs)
        self.scratch = {}

    def forward(self, x):
        slices = 4
        shape = (slices + 1, x.shape[0], self.linear.out_features)
        scratch = self.scratch.setdefault(shape, torch.empty(shape, dtype=x.dtype))
        step = -(-x.shape[1] // slices)
        for place, (part, weight) in enumerate(zip(x.split(step, 1), self.linear.weight.split(step, 1))):
            torch.mm(part, weight.t(), out=scratch[place])
        scratch[slices] = self.linear.bias
        return scratch.sum(dim=0).tanh_()
