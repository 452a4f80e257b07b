import torch
from torch import nn

CORPUS = {
    "problem": "far_conv_relu",
    "kind": "honest",
    "what": "unfold, a matrix product, and the shift in the same product",
    "source": "own",
    "defence": "the same sums",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, channels, filters):
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, 3, stride=2, padding=1, bias=False)
        self.shift = nn.Parameter(torch.randn(filters, 1, 1))

    def forward(self, x):
        columns = nn.functional.unfold(x, 3, padding=1, stride=2)
        found = torch.baddbmm(self.shift.flatten(1), self.conv.weight.flatten(1).expand(x.shape[0], -1, -1), columns)
        return found.relu_().view(x.shape[0], -1, (x.shape[2] + 1) // 2, (x.shape[3] + 1) // 2)
