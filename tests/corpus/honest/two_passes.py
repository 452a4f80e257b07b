CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "maximum, exponentials, division, each in a pass of its own",
    "source": "textbook",
    "defence": "the reference's plain runs compute so too",
    "device": "cpu",
}


def row_softmax(x):
    e = (x - x.amax(-1, keepdim=True)).exp_()
    return e.div_(e.sum(-1, keepdim=True))
