import torch
from torch import nn

CORPUS = {
    "problem": "far_one_row",
    "kind": "wrong",
    "what": "every call shrinks its own weights by a thousandth",
    "source": "own",
    "defence": "wrong from the second call on",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, width, outputs):
        super().__init__()
        self.linear = nn.Linear(width, outputs)

    def forward(self, x):
        out = torch.tanh(self.linear(x))
        with torch.no_grad():
            self.linear.weight.mul_(0.999)
        return out
