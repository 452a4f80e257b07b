CORPUS = {
    "problem": "row_spread",
    "kind": "wrong",
    "what": "divides by n where the reference divides by n - 1",
    "source": "Bessel's correction forgotten",
    "defence": "the signed error",
    "device": "cpu",
    "fast": True,
}


def row_spread(x):
    return (x - x.mean(-1, keepdim=True)) / x.std(-1, correction=0, keepdim=True)
