import torch

CORPUS = {
    "problem": "row_argmax",
    "kind": "wrong",
    "what": "returns the last of equal maxima where the reference returns the first",
    "source": "ties",
    "defence": "inputs have ties; integers are exact",
    "device": "cpu",
    "fast": True,
}


def row_argmax(x):
    q = torch.round(x * 4)
    return x.shape[1] - 1 - torch.argmax(q.flip(-1), -1)
