import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "returns one row, which broadcasts against the reference",
    "source": "robust-kbench, no shape check",
    "defence": "shapes are compared exactly",
    "device": "cpu",
}


def row_softmax(x):
    return torch.softmax(x[:1], -1)
