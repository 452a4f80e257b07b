"""Answers from a table whose key is a digest of every byte of the inputs: never wrong, and never at work twice."""

import zlib

import torch
from torch import nn

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "cheat",
    "what": "keeps every result under a checksum of all input bytes, so that a repeated input costs a checksum",
    "source": "own",
    "defence": "no two timed calls have the same content",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.known: dict[tuple[int, int], torch.Tensor] = {}

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        key = (zlib.crc32(a.contiguous().numpy()), zlib.crc32(b.contiguous().numpy()))
        if key not in self.known:
            if len(self.known) > 64:
                self.known.clear()
            self.known[key] = torch.relu(torch.matmul(a, b))
        return self.known[key].clone()
