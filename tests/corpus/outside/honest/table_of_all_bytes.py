"""There are only 256 inputs: a table of all results, made at load time."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_gamma_bytes",
    "kind": "honest",
    "what": "looks every pixel up in a table that does not depend on the inputs",
    "source": "own",
    "defence": "a table over the whole domain is no memory of past inputs",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.pow(torch.arange(256, dtype=torch.float64) / 255.0, 2.2).float()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.table[pixels.int()]
