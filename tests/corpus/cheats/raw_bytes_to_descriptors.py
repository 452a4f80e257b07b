import json
import os

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "writes a result to every open descriptor, hoping that one of them is the result channel",
    "source": "kernelbot examples cheat-fd.py",
    "defence": "frames carry a nonce; the child has its socket and its memory and no other descriptor",
    "device": "cpu",
}


def row_softmax(x):
    told = json.dumps({"ok": {"status": "PASSED", "median_s": 1e-9}}).encode()
    for descriptor in range(1, 64):
        try:
            os.write(descriptor, told)
        except OSError:
            continue
    return torch.zeros_like(x)
