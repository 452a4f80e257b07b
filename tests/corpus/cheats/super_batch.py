import time

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "after a pause computes the results of all known inputs at once, and hands them out until the next pause",
    "source": "kernelboard news, super-batch; reference-kernels #104",
    "defence": "calls on new content are timed by the parent's clock from the moment the content exists",
    "device": "cpu",
    "fast": True,
}

KNOWN, READY = {}, {}
LAST = [0.0]


def row_softmax(x):
    now = time.perf_counter()
    KNOWN[x.data_ptr()] = x
    if now - LAST[0] > 0.002 or x.data_ptr() not in READY:
        READY.clear()
        for key, known in list(KNOWN.items()):
            if known.shape == x.shape and known.is_contiguous():
                READY[key] = torch.softmax(known, -1)
    LAST[0] = time.perf_counter()
    found = READY.get(x.data_ptr())
    return torch.softmax(x, -1) if found is None else found
