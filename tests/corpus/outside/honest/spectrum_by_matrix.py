import math

import torch
from torch import nn

CORPUS = {
    "problem": "far_spectrum",
    "kind": "honest",
    "what": "the transform as a matrix product in doubles; the matrix is kept by length",
    "source": "own",
    "defence": "what is kept is no result",
    "device": "cpu",
}


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.matrices = {}

    def forward(self, x):
        length = x.shape[-1]
        if length not in self.matrices:
            turns = torch.outer(torch.arange(length), torch.arange(length // 2 + 1)) % length
            angle = turns.double() * (-2 * math.pi / length)
            self.matrices[length] = torch.polar(torch.ones_like(angle), angle)
        return (x.to(torch.complex128) @ self.matrices[length]).to(torch.complex64)
