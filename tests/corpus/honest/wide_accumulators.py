import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "computes in float64 and rounds once",
    "source": "own",
    "defence": "a smaller error than the reference's is right",
    "device": "cpu",
}


def row_softmax(x):
    return torch.softmax(x.double(), -1).to(x.dtype)
