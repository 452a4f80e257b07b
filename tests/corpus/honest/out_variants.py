import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "allocates its result and lets every step write to it by out=",
    "source": "own",
    "defence": "fresh memory is not an alias",
    "device": "cpu",
}


def row_softmax(x):
    out = torch.empty_like(x)
    torch.softmax(x, -1, out=out)
    return out
