import torch

CORPUS = {
    "problem": "running_sum",
    "kind": "honest",
    "what": "the running sum in float64",
    "source": "own",
    "defence": "a smaller error than the reference's is right",
    "device": "cpu",
}


def running_sum(x):
    return torch.cumsum(x, 1, dtype=torch.float64).to(x.dtype)
