import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "wrong",
    "what": "flushes results below 1e-6 to zero",
    "source": "flush-to-zero habits, with a generous threshold",
    "defence": "rows that are far from flat; an element's limit follows its size",
    "device": "cpu",
}


def row_softmax(x):
    out = torch.softmax(x, -1)
    return torch.where(out < 1e-6, 0.0, out)
