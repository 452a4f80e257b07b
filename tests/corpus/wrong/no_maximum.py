CORPUS = {
    "problem": "row_softmax",
    "kind": "wrong",
    "what": "exponentials without subtracting the maximum",
    "source": "a common beginner's kernel",
    "defence": "scaled inputs overflow; infinities must be where the truth has them",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    e = x.exp()
    return e / e.sum(-1, keepdim=True)
