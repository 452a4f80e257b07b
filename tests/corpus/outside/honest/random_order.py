"""Visits the rows in a new random order at every call, and seeds nobody's generator."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_log_softmax",
    "kind": "honest",
    "what": "uses random numbers inside; the result does not depend on them",
    "source": "own",
    "defence": "randomness inside is free where the result is the same",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dice = torch.Generator()
        self.dice.seed()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        order = torch.randperm(x.shape[0], generator=self.dice)
        out = torch.empty_like(x)
        for part in order.chunk(4):
            out[part] = torch.log_softmax(x[part], dim=-1)
        return out
