import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "blocks of columns with a running maximum and a running sum",
    "source": "Milakov and Gimelshein 2018",
    "defence": "the reference's plain runs have sums of many orders",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    most = torch.full((x.shape[0], 1), float("-inf"))
    total = torch.zeros(x.shape[0], 1)
    for part in x.split(128, -1):
        new = torch.maximum(most, part.amax(-1, keepdim=True))
        total = total * (most - new).exp() + (part - new).exp().sum(-1, keepdim=True)
        most = new
    return (x - most).exp() / total
