"""Compiles its kernel at the first call, as just-in-time compilers do."""

import ctypes
from typing import Any

import torch
from torch import nn

from tilewright.build.cpp import load

CORPUS = {
    "problem": "outer_transpose_copy",
    "kind": "honest",
    "what": "the first call takes seconds, since it builds C++; later ones are fast",
    "source": "own",
    "defence": "a slow first call is neither a failure nor a part of the time",
    "needs": "compiler",
    "device": "cpu",
}
SOURCE = r"""
#include <algorithm>
#include <cstdint>

extern "C" __attribute__((visibility("default")))
void turn(const float* x, float* out, int64_t rows, int64_t columns) {
    constexpr int64_t tile = 32;
    for (int64_t r0 = 0; r0 < rows; r0 += tile)
        for (int64_t c0 = 0; c0 < columns; c0 += tile)
            for (int64_t c = c0; c < std::min(c0 + tile, columns); ++c)
                for (int64_t r = r0; r < std::min(r0 + tile, rows); ++r) out[c * rows + r] = x[r * columns + c];
}
"""


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel: Any = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kernel is None:
            self.kernel = load(SOURCE).turn
            self.kernel.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 2
        x = x.contiguous()
        out = torch.empty(x.shape[1], x.shape[0])
        self.kernel(x.data_ptr(), out.data_ptr(), x.shape[0], x.shape[1])
        return out
