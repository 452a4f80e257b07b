import torch

CORPUS = {
    "problem": "running_sum",
    "kind": "wrong",
    "what": "every sum misses its own element",
    "source": "exclusive and inclusive scans confused",
    "defence": "every element has a limit",
    "device": "cpu",
}


def running_sum(x):
    return torch.cumsum(x, 1) - x
