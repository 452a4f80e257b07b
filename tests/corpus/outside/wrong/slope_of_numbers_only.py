import torch
from torch import nn

CORPUS = {
    "problem": "far_idle_argument",
    "kind": "wrong",
    "what": "puts zero in the place of NaN first",
    "source": "own",
    "defence": "another value for NaN",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x, idle, slope):
        x = torch.nan_to_num(x, nan=0.0, posinf=float("inf"), neginf=float("-inf"))
        return torch.where(x > 0, x, slope * x)
