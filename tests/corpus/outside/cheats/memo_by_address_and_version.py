"""Believes that the same address with the same version counter holds the same content."""

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "cheat",
    "what": "keys its results by data_ptr and version counter, so that reused buffers are answered from memory",
    "source": "gpu-mode/reference-kernels 104",
    "defence": "new content at every address, written without the version counter's knowledge",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.known: dict[tuple[int, ...], torch.Tensor] = {}

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        key = (a.data_ptr(), a._version, b.data_ptr(), b._version)
        if key not in self.known:
            if len(self.known) > 64:
                self.known.clear()
            self.known[key] = torch.relu(torch.matmul(a, b))
        return self.known[key].clone()
