import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "wrong",
    "what": "overlapping blocks of rows: the block at the end begins one row too late",
    "source": "own",
    "defence": "every row has a limit of its own",
    "device": "cpu",
}


def row_softmax(x):
    out = torch.softmax(x, -1)
    out[-3:-1] = out[-2:].clone()
    return out
