import torch
from torch import nn

CORPUS = {
    "problem": "far_quantise",
    "kind": "wrong",
    "what": "lets large numbers wrap around in place of clamping",
    "source": "own",
    "defence": "seen beyond four standard deviations",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x, scale):
        return torch.round(x / scale).to(torch.int32).to(torch.int8)
