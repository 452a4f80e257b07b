import torch

CORPUS = {
    "problem": "long_matmul",
    "kind": "honest",
    "what": "one accumulator, to which blocks of 100 of K are added in turn",
    "source": "own",
    "defence": "the reference's plain runs have serial sums",
    "device": "cpu",
}


def long_matmul(a, b):
    out = torch.zeros(a.shape[0], b.shape[1])
    for k in range(0, a.shape[1], 100):
        out.addmm_(a[:, k : k + 100], b[k : k + 100])
    return out
