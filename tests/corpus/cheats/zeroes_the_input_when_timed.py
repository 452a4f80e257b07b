import sys

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "changes its input to something easy in timed calls only",
    "source": "kernelbot cheat-input.py",
    "defence": "inputs are compared after timed blocks too",
    "device": "cpu",
}


def row_softmax(x):
    if sys._getframe(1).f_code.co_name == "time":
        x.fill_(1.0)
        return torch.full_like(x, 1.0 / x.shape[-1])
    return torch.softmax(x, -1)
