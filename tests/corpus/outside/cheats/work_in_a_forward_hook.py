import torch
from torch import nn

CORPUS = {
    "problem": "far_wide_softmax",
    "kind": "cheat",
    "what": "a forward hook puts a lazy object in the result's place, whose numpy and clone compute",
    "source": "own",
    "defence": "only plain tensors count",
    "device": "cpu",
    "must": "refused",
}


class Lazy:
    def __init__(self, x):
        self.x = x

    def __getattr__(self, name):
        return getattr(torch.softmax(self.x, -1), name)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_forward_hook(lambda module, args, out: Lazy(args[0]))

    def forward(self, x):
        return x
