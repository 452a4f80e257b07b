import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "computes every second call and repeats the result in between",
    "source": "KernelBench discussion of call counters",
    "defence": "addresses and contents take turns; the last call is judged",
    "device": "cpu",
}

KEPT = []


def row_softmax(x):
    if KEPT:
        return KEPT.pop()
    KEPT.append(torch.softmax(x, -1))
    return KEPT[0].clone()
