import torch

CORPUS = {
    "problem": "token_loss",
    "kind": "honest",
    "what": "the logarithm of the sum less the chosen logit",
    "source": "own",
    "defence": "the same numbers",
    "device": "cpu",
    "fast": True,
}


def token_loss(logits, target):
    chosen = logits.gather(1, target[:, None]).squeeze(1)
    return (torch.logsumexp(logits, 1) - chosen).mean()
