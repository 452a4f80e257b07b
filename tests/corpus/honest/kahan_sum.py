import torch

CORPUS = {
    "problem": "square_mean",
    "kind": "honest",
    "what": "sums with compensation",
    "source": "Kahan 1965",
    "defence": "a smaller error than the reference's is right",
    "device": "cpu",
}


def square_mean(x):
    total, lost = torch.zeros(x.shape[0]), torch.zeros(x.shape[0])
    for part in x.split(50, 1):
        y = part.sum(1) - lost
        new = total + y
        lost = (new - total) - y
        total = new
    return total / x.shape[1]
