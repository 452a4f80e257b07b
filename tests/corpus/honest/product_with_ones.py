import torch

CORPUS = {
    "problem": "square_mean",
    "kind": "honest",
    "what": "the mean as a product with a vector",
    "source": "matrix units for reductions",
    "defence": "the order of a sum is free",
    "device": "cpu",
}


def square_mean(x):
    return x @ torch.full((x.shape[1],), 1.0 / x.shape[1])
