import torch
from torch import nn

CORPUS = {
    "problem": "far_angles",
    "kind": "honest",
    "what": "the angle of a complex number",
    "source": "own",
    "defence": "the same function by another name",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, y, x):
        return torch.complex(x, y).angle()
