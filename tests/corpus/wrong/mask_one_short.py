CORPUS = {
    "problem": "row_softmax",
    "kind": "wrong",
    "what": "the mask of the last block ends one column early, so that the sum misses a term",
    "source": "Triton masks, offs < n - 1",
    "defence": "a row's signed error: its scale is wrong",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    e = (x - x.amax(-1, keepdim=True)).exp()
    return e / e[:, :-1].sum(-1, keepdim=True)
