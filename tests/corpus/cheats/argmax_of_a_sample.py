import torch

CORPUS = {
    "problem": "row_argmax",
    "kind": "cheat",
    "what": "looks at every second column",
    "source": "own",
    "defence": "integers are exact",
    "device": "cpu",
}


def row_argmax(x):
    return 2 * torch.argmax(torch.round(x[:, ::2] * 4), -1)
