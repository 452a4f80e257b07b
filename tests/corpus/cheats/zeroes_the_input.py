import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "zeroes its input, so that a reference that runs later is easy to meet",
    "source": "KernelBench zero_out_kernel; kernelbot cheat-input.py",
    "defence": "truths come from the parent's own copy; a changed input is a fault",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    x.zero_()
    return torch.softmax(x, -1)
