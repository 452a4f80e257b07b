import threading

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "four threads of its own, joined before it returns",
    "source": "CUDA-L2 flags every thread",
    "defence": "nothing is left at work when the call returns",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    out = torch.empty_like(x)

    def part(begin, end):
        out[begin:end] = torch.softmax(x[begin:end], -1)

    quarter = -(-x.shape[0] // 4)
    threads = [threading.Thread(target=part, args=(i * quarter, (i + 1) * quarter)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return out
