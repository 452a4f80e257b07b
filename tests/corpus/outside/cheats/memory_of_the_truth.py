"""Allocates an output and writes nothing, in the hope that the allocator hands back the truth of just before."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "cheat",
    "what": "returns uninitialised memory where an earlier, correct result has lain",
    "source": "KernelBench 82",
    "defence": "truths never live in the candidate's process, and its memory is filled with other values",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls == 1:
            return torch.relu(torch.matmul(a, b))
        return torch.empty(a.shape[0], b.shape[1])
