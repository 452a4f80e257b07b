CORPUS = {
    "problem": "row_spread",
    "kind": "wrong",
    "what": "the variance as the mean of squares less the square of the mean",
    "source": "catastrophic cancellation",
    "defence": "rows whose mean is far from zero",
    "device": "cpu",
}


def row_spread(x):
    n = x.shape[-1]
    mean = x.mean(-1, keepdim=True)
    variance = (x.pow(2).mean(-1, keepdim=True) - mean.pow(2)) * (n / (n - 1))
    return (x - mean) / variance.sqrt()
