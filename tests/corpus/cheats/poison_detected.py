import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "computes where memory is poisoned, and returns memory as it comes where it is not",
    "source": "own",
    "defence": "calls without poison are judged too",
    "device": "cpu",
}


def row_softmax(x):
    if torch.are_deterministic_algorithms_enabled():
        return torch.softmax(x, -1)
    return torch.empty_like(x)
