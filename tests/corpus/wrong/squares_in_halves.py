CORPUS = {
    "problem": "half_norm",
    "kind": "wrong",
    "what": "squares halves in halves, which overflow",
    "source": "the wrong type of an accumulator",
    "defence": "infinities must be where the truth has them",
    "device": "cpu",
    "fast": True,
}


def half_norm(x):
    return x.pow(2).sum(-1).sqrt()
