import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "wrong",
    "what": "four rows per block, and the rows beyond the last whole block stay zero",
    "source": "own",
    "defence": "every row has a limit of its own",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    out = torch.zeros_like(x)
    whole = x.shape[0] // 4 * 4
    out[:whole] = torch.softmax(x[:whole], -1)
    return out
