import time

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "takes calls that follow each other within a millisecond for timed ones, and skips the work there",
    "source": "kernelboard news, phase detection",
    "defence": "results of timed calls are judged",
    "device": "cpu",
}

STATE = {"last": 0.0}


def row_softmax(x):
    now = time.perf_counter()
    quick = now - STATE["last"] < 0.001
    if not quick or "out" not in STATE:
        STATE["out"] = torch.softmax(x, -1)
    STATE["last"] = time.perf_counter()
    return STATE["out"].clone()
