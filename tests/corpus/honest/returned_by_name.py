import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "returns its only output in a dict",
    "source": "models that return dicts",
    "defence": "an output alone or in a tuple, list or dict",
    "device": "cpu",
}


def row_softmax(x):
    return {"probabilities": torch.softmax(x, -1)}
