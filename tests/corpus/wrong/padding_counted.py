import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "wrong",
    "what": "the last block is padded with zeros instead of minus infinity, which the sum counts",
    "source": "Triton loads with other=0",
    "defence": "inputs far from zero, where the padding is the maximum or counts as one",
    "device": "cpu",
}


def row_softmax(x):
    padded = torch.nn.functional.pad(x, (0, -x.shape[-1] % 64))
    return torch.softmax(padded, -1)[:, : x.shape[-1]].contiguous()
