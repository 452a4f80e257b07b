import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "returns its only output in a list",
    "source": "KernelBench candidates do",
    "defence": "an output alone or in a tuple, list or dict",
    "device": "cpu",
}


def row_softmax(x):
    return [torch.softmax(x, -1)]
