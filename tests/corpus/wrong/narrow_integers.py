import torch

CORPUS = {
    "problem": "row_argmax",
    "kind": "wrong",
    "what": "returns int32 where the reference returns int64",
    "source": "kernels that count in 32 bits",
    "defence": "types are compared exactly",
    "device": "cpu",
}


def row_argmax(x):
    return torch.argmax(torch.round(x * 4), -1).int()
