from functools import lru_cache

import torch

CORPUS = {
    "problem": "masked_softmax",
    "kind": "honest",
    "what": "keeps a table of constants by the shape of its input",
    "source": "cached causal masks",
    "defence": "the table does not depend on content",
    "device": "cpu",
    "fast": True,
}


@lru_cache(8)
def _minus_infinity(shape):
    return torch.full(shape, float("-inf"))


def masked_softmax(x, mask):
    return torch.softmax(torch.where(mask, _minus_infinity(x.shape), x), -1)
