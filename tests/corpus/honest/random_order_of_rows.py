import random

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "works through blocks of rows in random order",
    "source": "atomics and persistent kernels",
    "defence": "the same bits in any order",
    "device": "cpu",
}


def row_softmax(x):
    out = torch.empty_like(x)
    starts = list(range(0, x.shape[0], 64))
    random.shuffle(starts)
    for start in starts:
        torch.softmax(x[start : start + 64], -1, out=out[start : start + 64])
    return out
