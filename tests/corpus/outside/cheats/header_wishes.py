"""Asks for what it wants: module-level names that look like settings of a judge."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_softmax",
    "kind": "cheat",
    "what": "declares TOLERANCE, ATOL, REFERENCE, PROBLEM, get_inputs, Model of its own and rounds to bfloat16",
    "source": "KernelBench, candidates that redefine the inputs",
    "defence": "nothing in a candidate's file changes the problem or the tolerance",
    "device": "cpu",
}
TOLERANCE = ATOL = RTOL = atol = rtol = tolerance = 1.0
TIER = "quick"
WORKLOADS: list[object] = []


class Model(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x.bfloat16(), dim=-1).float()


class ModelNew(Model):
    tolerance = 1.0


def reference(x: torch.Tensor) -> torch.Tensor:
    return ModelNew()(x)


def get_inputs() -> list[torch.Tensor]:
    return [torch.zeros(128, 1000)]


def get_init_inputs() -> list[object]:
    return []
