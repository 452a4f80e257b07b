CORPUS = {
    "problem": "square_mean",
    "kind": "wrong",
    "what": "the mean of columns where that of rows is asked for",
    "source": "square sizes hide it from a shape check",
    "defence": "every element has a limit",
    "device": "cpu",
    "fast": True,
}


def square_mean(x):
    return x.mean(dim=0)
