"""Hands out an empty tensor at once, and a thread fills it a little later."""

import threading

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "cheat",
    "what": "returns before the work is done; a background thread writes the result afterwards",
    "source": "wafer.ai field guide, thread injection",
    "defence": "outputs are taken when the clock stops; threads are waited for",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        out = torch.empty(a.shape[0], b.shape[1])

        def fill() -> None:
            out.copy_(torch.relu(torch.matmul(a, b)))

        threading.Thread(target=fill, daemon=True).start()
        return out
