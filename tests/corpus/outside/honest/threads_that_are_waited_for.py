"""Uses Python threads, and waits for all of them."""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "honest",
    "what": "a pool of threads that stays alive between calls; every call waits for its own work",
    "source": "own",
    "defence": "threads are no cheat where the result is complete when the call returns",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pool = ThreadPoolExecutor(2)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        halves = self.pool.map(lambda part: torch.relu(part @ b), a.chunk(2))
        return torch.cat(list(halves))
