import torch

CORPUS = {
    "problem": "long_matmul",
    "kind": "honest",
    "what": "the product as an einsum of the transposed factors",
    "source": "own",
    "defence": "the same numbers",
    "device": "cpu",
}


def long_matmul(a, b):
    return torch.einsum("ik,jk->ij", a, b.t().contiguous())
