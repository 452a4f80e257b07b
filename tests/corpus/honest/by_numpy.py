import torch

CORPUS = {
    "problem": "long_matmul",
    "kind": "honest",
    "what": "hands the memory to numpy and back",
    "source": "own",
    "defence": "a result is a tensor, wherever its memory is from",
    "device": "cpu",
}


def long_matmul(a, b):
    return torch.from_numpy(a.numpy() @ b.numpy())
