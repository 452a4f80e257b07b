import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "returns one row expanded to the full shape with stride zero",
    "source": "robust-kbench, broadcast outputs",
    "defence": "every element is copied out and judged",
    "device": "cpu",
}


def row_softmax(x):
    return torch.softmax(x[:1], -1).expand(x.shape)
