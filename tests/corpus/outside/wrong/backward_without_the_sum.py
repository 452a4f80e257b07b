"""Brings its own backward, which leaves out the row's sum: the forward is right."""

from typing import Any

import torch
from torch import nn

CORPUS = {
    "problem": "outer_softmax",
    "kind": "wrong",
    "what": "an autograd function whose gradient is y * g, without the y * sum(y * g) that belongs to it",
    "source": "own",
    "defence": "gradients are judged where a candidate offers them",
    "device": "cpu",
}


class Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        y = torch.softmax(x, dim=-1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (y,) = ctx.saved_tensors
        return y * grad


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Softmax.apply(x)
