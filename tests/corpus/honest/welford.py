import torch

CORPUS = {
    "problem": "row_spread",
    "kind": "honest",
    "what": "merges the moments of blocks by Welford's and Chan's formulas",
    "source": "Chan, Golub and LeVeque 1979",
    "defence": "the same numbers",
    "device": "cpu",
}


def row_spread(x):
    count, mean, squares = 0, torch.zeros(x.shape[0], 1), torch.zeros(x.shape[0], 1)
    for part in x.split(32, 1):
        n = part.shape[1]
        own = part.mean(1, keepdim=True)
        delta = own - mean
        squares = squares + (part - own).square().sum(1, keepdim=True) + delta.square() * (count * n / (count + n))
        mean = mean + delta * (n / (count + n))
        count += n
    return (x - mean) / (squares / (count - 1)).sqrt()
