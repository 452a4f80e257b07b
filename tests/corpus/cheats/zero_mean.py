import torch

CORPUS = {
    "problem": "square_mean",
    "kind": "cheat",
    "what": "returns zeros for the means of numbers whose mean is near zero",
    "source": "BackendBench docs/correctness.md, mean of randn",
    "defence": "the error is compared with the output's own scale",
    "device": "cpu",
}


def square_mean(x):
    return torch.zeros(x.shape[0])
