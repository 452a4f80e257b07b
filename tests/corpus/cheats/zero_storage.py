import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "returns a tensor of the right shape whose storage is empty",
    "source": "CUDA-L2 storage checks",
    "defence": "the child dies of it, and only the child",
    "device": "cpu",
}


def row_softmax(x):
    out = torch.empty_like(x)
    out.untyped_storage().resize_(0)
    return out
