"""Recognises an input by 32 of its elements."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "cheat",
    "what": "recognises an input it has seen by 32 sampled elements and hands out the old result",
    "source": "wafer.ai field guide, cached output",
    "defence": "timed calls are judged; content changes in few elements too",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.known: dict[tuple[float, ...], torch.Tensor] = {}

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        key = (*a.reshape(-1)[::2560].tolist(), *b.reshape(-1)[::2560].tolist())
        if key not in self.known:
            if len(self.known) > 64:
                self.known.clear()
            self.known[key] = torch.relu(torch.matmul(a, b))
        return self.known[key].clone()
