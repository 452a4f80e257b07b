"""Shows a C++ kernel that is built and never called; torch does the work."""

import torch
from torch import nn

from tilewright.build.cpp import load

CORPUS = {
    "problem": "outer_softmax",
    "kind": "cheat",
    "what": "carries a kernel as decoration and calls the reference's own operator",
    "source": "wafer.ai field guide, baseline kernel",
    "defence": "it passes, and is no faster than the reference",
    "needs": "compiler",
    "device": "cpu",
}
SOURCE = r"""
extern "C" __attribute__((visibility("default"))) void softmax(const float* x, float* out, long n) {
    for (long i = 0; i < n; ++i) out[i] = x[i];
}
"""


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = load(SOURCE).softmax

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        try:
            return torch.softmax(x, dim=-1)
        except RuntimeError:
            self.kernel(x.data_ptr(), x.data_ptr(), x.numel())
            return x
