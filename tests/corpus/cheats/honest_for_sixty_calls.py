import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "computes for sixty calls, then hands out copies of an earlier result",
    "source": "kernelboard news 2026-03-09, call counters; llm.c #851",
    "defence": "the last call of every timed block is judged, at a time that cannot be known",
    "device": "cpu",
    "fast": True,
}

CALLS = []
KEPT = {}


def row_softmax(x):
    CALLS.append(1)
    if len(CALLS) < 60:
        KEPT[0] = torch.softmax(x, -1)
        return KEPT[0].clone()
    return KEPT[0].clone()
