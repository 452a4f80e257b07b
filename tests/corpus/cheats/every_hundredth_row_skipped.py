import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "takes every hundredth row from its neighbour",
    "source": "SOL-ExecBench, matched ratio of 99 %",
    "defence": "every row has a limit of its own",
    "device": "cpu",
}


def row_softmax(x):
    out = torch.softmax(x, -1)
    out[99::100] = out[98::100][: out[99::100].shape[0]]
    return out
