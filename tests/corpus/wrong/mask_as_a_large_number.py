import torch

CORPUS = {
    "problem": "masked_softmax",
    "kind": "wrong",
    "what": "masks with -10000 instead of minus infinity",
    "source": "attention masks of many models",
    "defence": "rows that are masked as a whole; inputs of other scales",
    "device": "cpu",
}


def masked_softmax(x, mask):
    return torch.softmax(x.masked_fill(mask, -10000.0), -1)
