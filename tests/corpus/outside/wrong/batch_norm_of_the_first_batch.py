import torch
from torch import nn

CORPUS = {
    "problem": "far_batch_norm",
    "kind": "wrong",
    "what": "normalises with the first call's mean and variance ever after",
    "source": "own",
    "defence": "right once",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.found = None

    def forward(self, x):
        if self.found is None:
            self.found = torch.var_mean(x, dim=(0, 2, 3), keepdim=True, correction=0)
        variance, mean = self.found
        normal = (x - mean) * torch.rsqrt(variance + self.norm.eps)
        return torch.relu(normal * self.norm.weight.view(1, -1, 1, 1) + self.norm.bias.view(1, -1, 1, 1))
