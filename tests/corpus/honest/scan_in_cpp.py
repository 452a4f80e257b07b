import ctypes

import torch

from tilewright.build.cpp import load

CORPUS = {
    "problem": "running_sum",
    "kind": "honest",
    "what": "a serial sum in C++ over the rows",
    "source": "own",
    "defence": "the reference's plain runs have serial sums",
    "device": "cpu",
    "needs": "compiler",
}

SOURCE = r"""
#include <cstdint>
extern "C" __attribute__((visibility("default")))
void scan(const float* x, float* out, int64_t rows, int64_t columns) {
    #pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; ++r) {
        float sum = 0.0f;
        for (int64_t c = 0; c < columns; ++c) out[r * columns + c] = sum += x[r * columns + c];
    }
}
"""
scan = load(SOURCE).scan
scan.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]


def running_sum(x):
    x = x.contiguous()
    out = torch.empty_like(x)
    scan(x.data_ptr(), out.data_ptr(), *x.shape)
    return out
