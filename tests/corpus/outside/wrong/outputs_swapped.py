import torch
from torch import nn

CORPUS = {
    "problem": "far_spread_and_mean",
    "kind": "wrong",
    "what": "the mean comes first",
    "source": "own",
    "defence": "both outputs have one shape",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        spread, mean = torch.std_mean(x, dim=(0, 2))
        return mean, spread
