import torch

CORPUS = {
    "problem": "running_sum",
    "kind": "cheat",
    "what": "stops eight columns before the end and repeats the last sum",
    "source": "own",
    "defence": "every element has a limit; families with trends",
    "device": "cpu",
}


def running_sum(x):
    out = torch.empty_like(x)
    torch.cumsum(x[:, :-8], 1, out=out[:, :-8])
    out[:, -8:] = out[:, -9:-8]
    return out
