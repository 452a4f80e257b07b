import random

import torch

CORPUS = {
    "problem": "square_mean",
    "kind": "honest",
    "what": "adds up parts of a row in an order that differs from call to call",
    "source": "atomics",
    "defence": "the order of a sum is free: it varies, and is right",
    "device": "cpu",
    "fast": True,
}


def square_mean(x):
    total = torch.zeros(x.shape[0])
    parts = list(x.split(100, 1))
    random.shuffle(parts)
    for part in parts:
        total += part.sum(1)
    return total / x.shape[1]
