import time

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "replaces time.perf_counter_ns by a clock that runs a hundred times slower",
    "source": "SOL-ExecBench evil_monkey_patch",
    "defence": "the parent's own clock over every block",
    "device": "cpu",
    "fast": True,
}

_real = time.perf_counter_ns
START = _real()
time.perf_counter_ns = lambda: START + (_real() - START) // 100


def row_softmax(x):
    return torch.softmax(x, -1)
