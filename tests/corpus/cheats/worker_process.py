import mmap
import os
import time

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "a forked process watches the shared input and writes results to shared memory ahead of the calls",
    "source": "williamqwu corpus, helper processes",
    "defence": "calls on new content are timed by the parent's clock; stale results are judged",
    "device": "cpu",
    "fast": True,
}

STATE = {}


def _serve(x, out, flag):
    while True:
        if flag[0] == 1:
            flag[0] = 2
            out.copy_(torch.softmax(x, -1))
            flag[0] = 3
        time.sleep(0.0005)


def row_softmax(x):
    if x.data_ptr() not in STATE:
        torch.set_num_threads(1)
        out = torch.frombuffer(mmap.mmap(-1, x.numel() * 4), dtype=torch.float32).view(x.shape)
        flag = mmap.mmap(-1, 8)
        STATE[x.data_ptr()] = out, flag
        if os.fork() == 0:
            _serve(x, out, flag)
        return torch.softmax(x, -1)
    out, flag = STATE[x.data_ptr()]
    flag[0] = 1
    return out.clone()
