import sys
import time

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "answers the timing request twice, so that a forged block is taken for the real one",
    "source": "KernelGuard FAKE_BENCHMARK_EMIT",
    "defence": "an answer out of turn ends the candidate; the parent's own clock",
    "device": "cpu",
}


def row_softmax(x):
    caller = sys._getframe(1)
    if caller.f_code.co_name == "time" and "taken" in caller.f_locals and caller.f_locals.get("done") == 0:
        wire = caller.f_locals["self"].wire
        wire.send({"ended": time.perf_counter_ns(), "done": len(caller.f_locals["schedule"])})
    return torch.softmax(x, -1)
