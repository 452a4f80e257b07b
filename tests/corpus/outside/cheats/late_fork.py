"""Forks, returns shared memory at once, and the forked copy computes into it."""

import os

import torch
from torch import nn

CORPUS = {
    "problem": "outer_softmax",
    "kind": "cheat",
    "what": "a forked process fills the shared output after the call has returned",
    "source": "own",
    "defence": "outputs are taken when the clock stops; no process is left running",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(x.shape).share_memory_()
        if os.fork() == 0:
            torch.set_num_threads(1)
            out.copy_(torch.softmax(x, dim=-1))
            os._exit(0)
        return out
