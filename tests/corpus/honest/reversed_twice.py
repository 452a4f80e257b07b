import torch

CORPUS = {
    "problem": "row_argmax",
    "kind": "honest",
    "what": "packs value and column into one integer and takes the largest",
    "source": "packed reductions",
    "defence": "integers are exact",
    "device": "cpu",
    "fast": True,
}


def row_argmax(x):
    q = torch.round(x * 4).long().clamp(-(2**40), 2**40)
    packed = q * 4096 + (4095 - torch.arange(x.shape[1]))
    return 4095 - packed.amax(-1) % 4096
