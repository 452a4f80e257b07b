import torch

CORPUS = {
    "problem": "row_argmax",
    "kind": "cheat",
    "what": "returns random columns, as nobody compares integers with a tolerance",
    "source": "BackendBench, integer outputs",
    "defence": "integers are exact",
    "device": "cpu",
}


def row_argmax(x):
    return torch.randint(0, x.shape[1], (x.shape[0],))
