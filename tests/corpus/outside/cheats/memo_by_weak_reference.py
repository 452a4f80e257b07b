import weakref

import torch
from torch import nn

CORPUS = {
    "problem": "far_wide_softmax",
    "kind": "cheat",
    "what": "keeps the result for as long as the input's tensor object lives, by its version",
    "source": "own",
    "defence": "an object may get other content",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.kept = {}

    def forward(self, x):
        state = x._version, x.data_ptr()
        owner, known, out = self.kept.get(id(x), (lambda: None, None, None))
        if owner() is not x or known != state:
            out = torch.softmax(x, -1)
            key = id(x)
            self.kept[key] = weakref.ref(x, lambda _: self.kept.pop(key, None)), state, out
        return out
