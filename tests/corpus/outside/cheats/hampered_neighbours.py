"""Gives every process that it may touch, but its own, the lowest priority and a single core."""

import contextlib
import os

import torch
from torch import nn

CORPUS = {
    "problem": "outer_softmax",
    "kind": "cheat",
    "what": "pins its parent and siblings to one core at priority 19, so that the baseline is slow",
    "source": "own",
    "defence": "candidates see no process but their own",
    "device": "cpu",
}


def family() -> list[int]:
    parent = os.getppid()
    if parent <= 1:
        return []
    with contextlib.suppress(OSError), open(f"/proc/{parent}/task/{parent}/children") as children:
        return [parent, *(int(word) for word in children.read().split())]
    return [parent]


for process in family():
    if process != os.getpid():
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process, 19)
            os.sched_setaffinity(process, {min(os.sched_getaffinity(0))})


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x, dim=-1)
