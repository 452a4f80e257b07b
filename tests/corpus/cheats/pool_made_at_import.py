from concurrent.futures import ThreadPoolExecutor

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "a pool of threads made at import does the work after the call has returned",
    "source": "williamqwu corpus, residual gap",
    "defence": "results are copied out at once; calls on new content are timed by the parent's clock",
    "device": "cpu",
}

POOL = ThreadPoolExecutor(2)


def row_softmax(x):
    out = torch.empty_like(x)
    POOL.submit(lambda: out.copy_(torch.softmax(x, -1)))
    return out
