"""Reads whole blocks of 16 beyond the row's end and multiplies what is too much by zero."""

import ctypes

import torch
from torch import nn

from tilewright.build.cpp import load

CORPUS = {
    "problem": "outer_logsumexp",
    "kind": "wrong",
    "what": "reads up to 8 elements past every row, and past the input, masked by a product with 0",
    "source": "own",
    "defence": "memory behind an input holds values that a product with zero does not hide",
    "needs": "compiler",
    "device": "cpu",
}
SOURCE = r"""
#include <cmath>
#include <cstdint>

extern "C" __attribute__((visibility("default")))
void logsumexp(const float* x, float* out, int64_t rows, int64_t columns) {
    for (int64_t r = 0; r < rows; ++r) {
        const float* in = x + r * columns;
        float most = in[0];
        for (int64_t c = 1; c < columns; ++c) most = in[c] > most ? in[c] : most;
        float sum[16] = {};
        for (int64_t c = 0; c < columns; c += 16)
            for (int64_t lane = 0; lane < 16; ++lane) {
                const float inside = c + lane < columns ? 1.0f : 0.0f;
                sum[lane] += inside * std::exp(in[c + lane] - most);
            }
        float total = 0.0f;
        for (float part : sum) total += part;
        out[r] = most + std::log(total);
    }
}
"""


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = load(SOURCE).logsumexp
        self.kernel.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.contiguous()
        out = torch.empty(x.shape[0])
        self.kernel(x.data_ptr(), out.data_ptr(), x.shape[0], x.shape[1])
        return out
