"""Two output buffers in turn: the result lives until the call after the next."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "wrong",
    "what": "double buffering of the outputs: safe for one call, overwritten by the second",
    "source": "own",
    "defence": "an output is looked at again after several calls",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.turn = 0
        self.buffers: list[torch.Tensor] = []

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if not self.buffers:
            self.buffers = [torch.empty(a.shape[0], b.shape[1]) for _ in range(2)]
        self.turn = 1 - self.turn
        torch.matmul(a, b, out=self.buffers[self.turn])
        return self.buffers[self.turn].relu_()
