import time

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "the clock returns the same value for all calls of a block",
    "source": "SOL-ExecBench evil_monkey_patch",
    "defence": "a call takes more than no time",
    "device": "cpu",
}

NOW = time.perf_counter_ns()
time.perf_counter_ns = lambda: NOW


def row_softmax(x):
    return torch.softmax(x, -1)
