import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "returns a result whose columns are stored first",
    "source": "layouts of the library called",
    "defence": "strides of an output are its own affair",
    "device": "cpu",
}


def row_softmax(x):
    return torch.softmax(x.t().contiguous(), 0).t()
