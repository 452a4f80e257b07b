import ctypes

import torch
from torch import nn

from tilewright.build.cpp import load

CORPUS = {
    "problem": "rms_norm_weighted",
    "kind": "honest",
    "what": "a kernel in C++ with serial sums and OpenMP",
    "source": "own",
    "defence": "the reference's plain runs have serial sums",
    "device": "cpu",
    "fast": True,
    "needs": "compiler",
}

SOURCE = r"""
#include <cmath>
#include <cstdint>
extern "C" __attribute__((visibility("default")))
void rms_norm(const float* x, const float* weight, float* out, int64_t rows, int64_t columns) {
    #pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; ++r) {
        const float* in = x + r * columns;
        float sum = 0.0f;
        for (int64_t c = 0; c < columns; ++c) sum += in[c] * in[c];
        const float scale = 1.0f / std::sqrt(sum / columns + 1e-5f);
        for (int64_t c = 0; c < columns; ++c) out[r * columns + c] = in[c] * scale * weight[c];
    }
}
"""


class ModelNew(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))
        self.kernel = load(SOURCE).rms_norm
        self.kernel.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 2

    def forward(self, x):
        x = x.contiguous()
        out = torch.empty_like(x)
        self.kernel(x.data_ptr(), self.weight.data_ptr(), out.data_ptr(), *x.shape)
        return out
