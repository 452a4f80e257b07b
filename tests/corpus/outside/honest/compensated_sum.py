"""Sums with Neumaier's compensation in C++, several lanes at once."""

import ctypes

import torch
from torch import nn

from tilewright.build.cpp import load

CORPUS = {
    "problem": "outer_row_mean",
    "kind": "honest",
    "what": "a compensated sum, in an order of its own, read through plain pointers",
    "source": "own",
    "defence": "the truth is the float64 result, not the reference's bits",
    "needs": "compiler",
    "device": "cpu",
}
SOURCE = r"""
#include <cmath>
#include <cstdint>

extern "C" __attribute__((visibility("default")))
void row_mean(const float* x, float* out, int64_t rows, int64_t columns) {
    for (int64_t r = 0; r < rows; ++r) {
        double sum[8] = {};
        for (int64_t c = 0; c < columns; ++c) sum[c % 8] += x[r * columns + c];
        double total = 0.0, lost = 0.0;
        for (double part : sum) {
            const double next = total + part;
            lost += std::fabs(total) >= std::fabs(part) ? (total - next) + part : (part - next) + total;
            total = next;
        }
        out[r] = static_cast<float>((std::isfinite(lost) ? total + lost : total) / columns);
    }
}
"""


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = load(SOURCE).row_mean
        self.kernel.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.contiguous()
        out = torch.empty(x.shape[0])
        self.kernel(x.data_ptr(), out.data_ptr(), x.shape[0], x.shape[1])
        return out
