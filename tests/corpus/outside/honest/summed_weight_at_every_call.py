"""Sums the weight first, at every call: the matrix product becomes a product with a vector."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_linear_row_sum",
    "kind": "honest",
    "what": "moves the sum before the product, from the weights that are there at the time of the call",
    "source": "KernelBench level 2, 18",
    "defence": "another order of summation is within the reference's own rounding error",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inside, outside)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.linear.weight.sum(dim=0)[:, None] + self.linear.bias.sum()
