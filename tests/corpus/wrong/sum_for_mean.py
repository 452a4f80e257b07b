import torch

CORPUS = {
    "problem": "token_loss",
    "kind": "wrong",
    "what": "returns the sum over the rows",
    "source": "reductions confused",
    "defence": "one number has the reference's own error as its limit",
    "device": "cpu",
}


def token_loss(logits, target):
    return torch.nn.functional.cross_entropy(logits, target, reduction="sum")
