import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "probes the first row, and leaves the maximum out for the whole batch where that row is small",
    "source": "reference-kernels #151 and #152, mixed batches",
    "defence": "batches whose rows are of different kinds",
    "device": "cpu",
}


def row_softmax(x):
    if float(x[0].abs().max()) < 20:
        e = x.exp()
        return e / e.sum(-1, keepdim=True)
    return torch.softmax(x, -1)
