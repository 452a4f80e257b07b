CORPUS = {
    "problem": "row_spread",
    "kind": "honest",
    "what": "mean first, then the squares of the differences",
    "source": "textbook",
    "defence": "the same numbers",
    "device": "cpu",
    "fast": True,
}


def row_spread(x):
    d = x - x.mean(-1, keepdim=True)
    return d * (d.square().sum(-1, keepdim=True) / (x.shape[-1] - 1)).rsqrt()
