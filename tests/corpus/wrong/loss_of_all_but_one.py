import torch

CORPUS = {
    "problem": "token_loss",
    "kind": "wrong",
    "what": "the mean leaves the last row out",
    "source": "own",
    "defence": "one number has the reference's own error as its limit",
    "device": "cpu",
}


def token_loss(logits, target):
    return torch.nn.functional.cross_entropy(logits[:-1], target[:-1])
