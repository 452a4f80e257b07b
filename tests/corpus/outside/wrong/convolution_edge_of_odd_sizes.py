import torch
from torch import nn

CORPUS = {
    "problem": "far_conv_relu",
    "kind": "wrong",
    "what": "pads as for even sizes: nothing at the right edge, so that the last column sees its neighbour's zero",
    "source": "own",
    "defence": "the last column of odd sizes",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, channels, filters):
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, 3, stride=2, padding=1, bias=False)
        self.shift = nn.Parameter(torch.randn(filters, 1, 1))

    def forward(self, x):
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
        padded[..., -2] = 0
        return torch.relu(torch.nn.functional.conv2d(padded, self.conv.weight, stride=2) + self.shift)
