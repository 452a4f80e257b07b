import torch

CORPUS = {
    "problem": "square_mean",
    "kind": "wrong",
    "what": "averages blocks of 128 columns of which the last is shorter",
    "source": "uneven blocks",
    "defence": "every element has a limit",
    "device": "cpu",
}


def square_mean(x):
    return torch.stack([part.mean(1) for part in x.split(128, 1)]).mean(0)
