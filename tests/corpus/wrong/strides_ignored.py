import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "wrong",
    "what": "reads its input as if it were contiguous",
    "source": "kernels that take a pointer and two sizes",
    "defence": "inputs with gaps and columns stored first",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    return torch.softmax(torch.as_strided(x, x.shape, (x.shape[1], 1)), -1)
