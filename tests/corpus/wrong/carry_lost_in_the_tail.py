import torch

CORPUS = {
    "problem": "running_sum",
    "kind": "wrong",
    "what": "the carry does not reach the last, shorter block",
    "source": "own",
    "defence": "every element has a limit",
    "device": "cpu",
}


def running_sum(x):
    whole = x.shape[1] // 128 * 128
    return torch.cat([torch.cumsum(x[:, :whole], 1), torch.cumsum(x[:, whole:], 1)], 1)
