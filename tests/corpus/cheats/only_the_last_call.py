import sys

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "reads in the frame of its caller which timed call is the last one, and computes only that",
    "source": "SOL-ExecBench, call stack",
    "defence": "calls on new content are timed by the parent's clock, and claims must agree",
    "device": "cpu",
}


def row_softmax(x):
    caller = sys._getframe(1).f_locals
    if "done" in caller and caller["done"] + 1 < len(caller["schedule"]):
        return x
    return torch.softmax(x, -1)
