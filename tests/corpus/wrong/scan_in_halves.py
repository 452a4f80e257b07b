import torch

CORPUS = {
    "problem": "running_sum",
    "kind": "wrong",
    "what": "keeps the running sum in float16",
    "source": "a store in the wrong type",
    "defence": "sums that grow with their length",
    "device": "cpu",
    "fast": True,
}


def running_sum(x):
    return torch.cumsum(x.half(), 1).float()
