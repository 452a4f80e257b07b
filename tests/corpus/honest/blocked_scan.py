import torch

CORPUS = {
    "problem": "running_sum",
    "kind": "honest",
    "what": "sums within blocks, and a carry from block to block",
    "source": "parallel scans",
    "defence": "the order of a sum is free",
    "device": "cpu",
    "fast": True,
}


def running_sum(x):
    parts, carry = [], torch.zeros(x.shape[0], 1)
    for part in x.split(256, 1):
        parts.append(torch.cumsum(part, 1) + carry)
        carry = parts[-1][:, -1:]
    return torch.cat(parts, 1)
