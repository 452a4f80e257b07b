import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "runs a loop of its own over one element and leaves the rest to torch",
    "source": "KernelGYM decoy_kernel",
    "defence": "it is as fast as what it calls",
    "device": "cpu",
}


def _own_kernel(x):
    return max(float(v) for v in x[0, :4])


def row_softmax(x):
    _own_kernel(x)
    return torch.softmax(x, -1)
