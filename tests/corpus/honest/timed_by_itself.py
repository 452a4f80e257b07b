import statistics
import time

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "reads the clock and keeps statistics of its own calls",
    "source": "kernels with counters",
    "defence": "reading a clock changes nothing",
    "device": "cpu",
}

TIMES = []


def row_softmax(x):
    start = time.perf_counter_ns()
    out = torch.softmax(x, -1)
    TIMES.append(time.perf_counter_ns() - start)
    if len(TIMES) > 1000:
        TIMES[:] = [statistics.median(TIMES)]
    return out
