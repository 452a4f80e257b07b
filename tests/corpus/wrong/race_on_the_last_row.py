import random

CORPUS = {
    "problem": "row_softmax",
    "kind": "wrong",
    "what": "a missing barrier: in every other call the last row is normalised with its neighbour's sum",
    "source": "data races",
    "defence": "poisoned memory, repeated calls, and timed calls are judged",
    "device": "cpu",
}

draw = random.Random()


def row_softmax(x):
    e = (x - x.amax(-1, keepdim=True)).exp()
    sums = e.sum(-1, keepdim=True)
    if draw.random() < 1 / 2:
        sums[-1] = sums[-2]
    return e / sums
