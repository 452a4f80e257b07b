import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "returns one over the number of columns everywhere",
    "source": "BackendBench docs/correctness.md, known statistics",
    "defence": "limits come from the reference's own error",
    "device": "cpu",
}


def row_softmax(x):
    return torch.full_like(x, 1.0 / x.shape[-1])
