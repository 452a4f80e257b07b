import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "leaves the last two rows out",
    "source": "KernelBench L2 issues, operations left out",
    "defence": "every row has a limit of its own",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    out = torch.zeros_like(x)
    torch.softmax(x[:-2], -1, out=out[:-2])
    return out
