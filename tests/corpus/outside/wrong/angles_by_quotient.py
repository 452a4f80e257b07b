import torch
from torch import nn

CORPUS = {
    "problem": "far_angles",
    "kind": "wrong",
    "what": "the arc tangent of the quotient, mended for the left half plane",
    "source": "own",
    "defence": "NaN at the origin, and the wrong side of it",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, y, x):
        angle = torch.atan(y / x)
        turn = torch.where(y < 0, -torch.pi, torch.pi)
        return torch.where(x < 0, angle + turn, angle)
