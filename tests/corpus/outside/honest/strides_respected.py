"""Works on the transposed view's own memory order, and transposes nothing."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_columns_scaled",
    "kind": "honest",
    "what": "turns the strided input to its dense side, works there, and returns the result turned back",
    "source": "own",
    "defence": "strides of inputs are kept, those of outputs are free",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return (torch.tanh(x.t()) * scale[:, None]).t()
