import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "returns memory that it fills during the next call",
    "source": "deep-reinforce list, work in flight",
    "defence": "results are copied out at once",
    "device": "cpu",
}

PENDING = []


def row_softmax(x):
    for source, target in PENDING:
        target.copy_(torch.softmax(source, -1))
    PENDING.clear()
    out = torch.empty_like(x)
    PENDING.append((x, out))
    return out
