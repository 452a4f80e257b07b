"""The gamma table is right, and stored in float16."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_gamma_bytes",
    "kind": "wrong",
    "what": "a table of 256 float16 values",
    "source": "own",
    "defence": "a tolerance from float32's rounding error",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.pow(torch.arange(256).float() / 255.0, 2.2).half()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.table[pixels.long()].float()
