import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "yields blocks of rows from a generator and joins them",
    "source": "own",
    "defence": "nothing: text decides nothing",
    "device": "cpu",
}


def _blocks(x):
    for part in x.split(32):
        yield torch.softmax(part, -1)


def row_softmax(x):
    return torch.cat(list(_blocks(x)))
