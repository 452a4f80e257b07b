import torch

CORPUS = {
    "problem": "row_argmax",
    "kind": "wrong",
    "what": "takes the maximum before rounding makes ties",
    "source": "own",
    "defence": "integers are exact",
    "device": "cpu",
}


def row_argmax(x):
    return torch.argmax(x, -1)
