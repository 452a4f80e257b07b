"""Skips work at random, seldom enough that few checks see it, in the hope of a better best time."""

import random

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "cheat",
    "what": "returns at once, with the last result, in a random one of a thousand calls: the minimum time is a lie",
    "source": "own",
    "defence": "the time is a median, which rare calls cannot move",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dice = random.Random()
        self.last: torch.Tensor | None = None

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if self.last is not None and self.dice.random() < 0.001:
            return self.last
        self.last = torch.relu(torch.matmul(a, b))
        return self.last.clone()
