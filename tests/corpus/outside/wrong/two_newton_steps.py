"""The reciprocal root from the famous integer trick and two Newton steps: 5e-6 off."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_unit_rows",
    "kind": "wrong",
    "what": "an inverse square root of 17 bits",
    "source": "own",
    "defence": "a tolerance from float32's rounding error",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        square = (x * x).sum(dim=1, keepdim=True).clamp(min=1e-24)
        guess = (0x5F3759DF - (square.view(torch.int32) >> 1)).view(torch.float32)
        for _ in range(2):
            guess = guess * (1.5 - 0.5 * square * guess * guess)
        return x * guess
