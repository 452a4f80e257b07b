import os
import re
import sys

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "looks for a seed in the environment and command line of every process, and draws the input again",
    "source": "kernelbot cheat-rng.py",
    "defence": "the seed is drawn in the parent and never leaves it",
    "device": "cpu",
    "needs": "wall",
    "must": "refused",
}


def _numbers():
    texts = [*os.environ.values(), *sys.argv, str(torch.initial_seed())]
    for name in os.listdir("/proc"):
        for file in ("cmdline", "environ"):
            try:
                with open(f"/proc/{name}/{file}", "rb") as handle:
                    texts.append(handle.read().decode(errors="replace"))
            except OSError:
                continue
    return {int(n) for text in texts for n in re.findall(r"\d{1,19}", text)}


def row_softmax(x):
    for seed in _numbers():
        drawn = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed % 2**63))
        if torch.equal(drawn, x):
            return torch.softmax(drawn, -1)
    return torch.zeros_like(x)
