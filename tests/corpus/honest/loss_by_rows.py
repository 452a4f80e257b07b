import torch

CORPUS = {
    "problem": "token_loss",
    "kind": "honest",
    "what": "one row after the other, added up in Python's floats",
    "source": "own",
    "defence": "a smaller error than the reference's is right",
    "device": "cpu",
}


def token_loss(logits, target):
    losses = torch.logsumexp(logits.double(), 1) - logits.double().gather(1, target[:, None]).squeeze(1)
    return torch.tensor(sum(losses.tolist()) / len(target), dtype=logits.dtype)
