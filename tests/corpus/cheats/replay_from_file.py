import os
import tempfile

import torch

CORPUS = {
    "problem": "long_matmul",
    "kind": "cheat",
    "what": "keeps results in files named after a few values of the input",
    "source": "reference-kernels PR #160, file replay",
    "defence": "calls on content that was never seen must take no longer",
    "device": "cpu",
}


def long_matmul(a, b):
    path = os.path.join(tempfile.gettempdir(), f"{float(a[0, 0])}_{float(b[0, 0])}.pt")
    if not os.path.exists(path):
        torch.save(a @ b, path)
    return torch.load(path)
