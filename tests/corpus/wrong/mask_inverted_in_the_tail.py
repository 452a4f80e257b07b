import torch

CORPUS = {
    "problem": "masked_softmax",
    "kind": "wrong",
    "what": "the mask of the last column belongs to the column before",
    "source": "off-by-one loads",
    "defence": "every element has a limit",
    "device": "cpu",
}


def masked_softmax(x, mask):
    mask = mask.clone()
    mask[:, -1] = mask[:, -2]
    return torch.softmax(x.masked_fill(mask, float("-inf")), -1)
