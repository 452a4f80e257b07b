CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "exponentials as powers of two with the logarithm folded into the scale",
    "source": "FlashAttention",
    "defence": "the reference's plain runs compute so too",
    "device": "cpu",
}


def row_softmax(x):
    d = (x - x.amax(-1, keepdim=True)) * 1.4426950408889634
    e = d.exp2_()
    return e * (1.0 / e.sum(-1, keepdim=True))
