CORPUS = {
    "problem": "row_softmax",
    "kind": "wrong",
    "what": "subtracts the maximum of the whole tensor, so that low rows underflow",
    "source": "own",
    "defence": "mixed batches: rows of different scales",
    "device": "cpu",
}


def row_softmax(x):
    e = (x - x.max()).exp()
    return e / e.sum(-1, keepdim=True)
