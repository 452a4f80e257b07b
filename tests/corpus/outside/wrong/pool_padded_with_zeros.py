import torch
from torch import nn

CORPUS = {
    "problem": "far_max_pool",
    "kind": "wrong",
    "what": "pads with zeros in place of minus infinity",
    "source": "own",
    "defence": "wrong at edges whose values are all negative",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x):
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
        return torch.nn.functional.max_pool2d(padded, kernel_size=3, stride=2)
