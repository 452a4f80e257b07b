import torch

CORPUS = {
    "problem": "long_matmul",
    "kind": "honest",
    "what": "sixteen partial products over K, added up at the end",
    "source": "split-K",
    "defence": "the reference's plain runs have sums of many orders",
    "device": "cpu",
    "fast": True,
}


def long_matmul(a, b):
    parts = zip(a.chunk(16, 1), b.chunk(16, 0), strict=True)
    return torch.stack([x @ y for x, y in parts]).sum(0)
