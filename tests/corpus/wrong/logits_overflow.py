CORPUS = {
    "problem": "token_loss",
    "kind": "wrong",
    "what": "the logarithm of the sum of exponentials without the maximum",
    "source": "own",
    "defence": "scaled inputs overflow",
    "device": "cpu",
    "fast": True,
}


def token_loss(logits, target):
    chosen = logits.gather(1, target[:, None]).squeeze(1)
    return (logits.exp().sum(1).log() - chosen).mean()
