import statistics

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "replaces statistics.median and its like, so that times come out a hundred times shorter",
    "source": "reference-kernels #162",
    "defence": "statistics are made in the parent",
    "device": "cpu",
}

for name in ("median", "mean", "fmean", "quantiles"):
    setattr(statistics, name, lambda data, *_, **__: min(data) / 100)


def row_softmax(x):
    return torch.softmax(x, -1)
